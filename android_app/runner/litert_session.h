/* One loaded model of LiteRT: handles that live until the process ends. */
#ifndef BOKEHBENCH_LITERT_SESSION_H
#define BOKEHBENCH_LITERT_SESSION_H

#include "engine.h"
#include "litert_abi.h"

struct litert_session {
    struct litert_api api;
    void *environment;
    void *model;
    void *signature;
    void *compiled;
    size_t signature_index;
    size_t inputs;
    size_t outputs;
    void *input[MAX_TENSORS];
    void *output[MAX_TENSORS];
    bool gpu_alone; /* compiled with no other accelerator allowed */
};

bool litert_failed(struct failure *failure, enum failure_code code, int status,
                   const char *what);

/* Refuses what LiteRT has no option for. */
bool litert_check_options(const struct engine_setup *setup, struct failure *failure);
/* Options of the accelerators (enum litert_accelerator) that may run the model. */
bool litert_add_options(const struct litert_api *api, void *options,
                        const struct engine_setup *setup, int accelerators,
                        struct failure *failure);

/* Describes the tensors, resizes inputs that differ from the setup, makes the buffers. */
bool litert_make_tensors(struct litert_session *session, const struct engine_setup *setup,
                         struct engine_report *report, struct failure *failure);

#endif
