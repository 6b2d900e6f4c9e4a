/* What the runner needs of an inference engine: one table of functions an engine. */
#ifndef BOKEHBENCH_ENGINE_H
#define BOKEHBENCH_ENGINE_H

#include "delegation.h"
#include "tensor.h"

enum backend { BACKEND_XNNPACK, BACKEND_CPU, BACKEND_GPU };
enum precision { PRECISION_DEFAULT, PRECISION_FP16, PRECISION_FP32 };
enum direction { INPUT, OUTPUT };
enum access { ACCESS_READ, ACCESS_WRITE };

struct engine_setup {
    const char *folder; /* of the accelerator libraries */
    const char *model;
    size_t signature;
    enum backend backend;
    const char *backend_name;
    size_t threads;
    enum precision precision;
    size_t inputs;
    size_t outputs;
    struct tensor_spec input[MAX_TENSORS];
};

enum tristate { UNKNOWN, NO, YES };

struct engine_report {
    char delegate[DELEGATE_NAME]; /* empty: none */
    const char *cache;            /* cold, warm or none */
    enum tristate fully_accelerated;
    bool has_nodes; /* the three below hold something */
    uint64_t delegated_nodes;
    uint64_t total_nodes;
    bool has_partitions;
    uint64_t partitions;
    struct tensor_info input[MAX_TENSORS];
    struct tensor_info output[MAX_TENSORS];
};

struct engine {
    const char *name;
    /* Opens the library and finds out which generation of its interface it has. */
    bool (*open)(const char *library, void **session, const char **abi,
                 struct failure *failure);
    /* Model, backend, shapes and buffers, until the first run can start. */
    bool (*load)(void *session, const struct engine_setup *setup, struct engine_report *report,
                 struct failure *failure);
    /* Which backend really got the model, judged by what the engine printed and answers.
     * After a load that failed (`failure` is set) it may only find a better code. */
    bool (*prove)(void *session, const struct engine_setup *setup,
                  const struct delegation *delegation, struct engine_report *report,
                  struct failure *failure);
    bool (*lock)(void *session, enum direction direction, size_t index, enum access access,
                 void **address, struct failure *failure);
    bool (*unlock)(void *session, enum direction direction, size_t index,
                   struct failure *failure);
    bool (*run)(void *session, struct failure *failure);
};

extern const struct engine ENGINE_LITERT;

#endif
