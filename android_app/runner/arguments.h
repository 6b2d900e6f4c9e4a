/* The command line: every key given once, every value spelled out, no defaults. */
#ifndef BOKEHBENCH_ARGUMENTS_H
#define BOKEHBENCH_ARGUMENTS_H

#include "convert.h"
#include "engine.h"
#include "tensor.h"

#define RUNNER_PROTOCOL 2
#define RUNNER_PROTOCOL_TEXT "2"

enum mode { MODE_TIME, MODE_IMAGES };

struct arguments {
    const char *manifest;
    uint64_t deadline_ms;
    const char *engine;
    const char *engine_library;
    struct engine_setup setup;
    uint64_t core_mask;
    enum mode mode;
    size_t warmups;
    size_t runs;
    size_t min_runs;
    uint64_t max_ms;
    size_t image_output;
    struct tensor_spec out;
    enum rounding rounding;
    enum output_format output_format;
};

bool arguments_parse(int count, char **words, struct arguments *arguments,
                     struct failure *failure);

#endif
