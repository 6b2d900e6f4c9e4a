/* The two modes: one item and many runs, or many items and one run each. */
#ifndef BOKEHBENCH_TRIAL_H
#define BOKEHBENCH_TRIAL_H

#include <stdatomic.h>

#include "arguments.h"
#include "events.h"
#include "manifest.h"

struct trial {
    const struct engine *engine;
    void *session;
    const struct arguments *arguments;
    const struct manifest *manifest;
    const struct engine_report *report;
    int folder; /* the work folder */
    struct events *events;
    const atomic_bool *stop; /* NULL: never */
};

/* The image output has the type and shape, and all tensors the scale, that the host described. */
bool trial_check(const struct trial *trial, struct failure *failure);
/* Writes `samples` and `output` events. */
bool trial_run(const struct trial *trial, struct failure *failure);

#endif
