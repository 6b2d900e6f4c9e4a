/* One loaded model of TFLite: handles that live until the process ends. */
#ifndef BOKEHBENCH_TFLITE_SESSION_H
#define BOKEHBENCH_TFLITE_SESSION_H

#include "engine.h"
#include "tflite_abi.h"
#include "tflite_watch.h"

struct tflite_session {
    struct tflite_api api;
    void *model;
    void *interpreter;
    size_t inputs;
    size_t outputs;
    void *input[MAX_TENSORS];
    const void *output[MAX_TENSORS];
    size_t output_bytes[MAX_TENSORS];
    struct tflite_delegate *delegate; /* NULL: none was asked for */
    bool watched;                     /* `watch` is around it */
    struct tflite_watch watch;
    struct tflite_watch refusing;
    struct tflite_watch last; /* looks at the plan after everything that could delegate */
    bool quiet;      /* what TFLite says is not a word about the model */
    char said[8192]; /* its last complaint */
};

bool tflite_failed(const struct tflite_session *session, struct failure *failure,
                   enum failure_code code, int status, const char *what);

/* The delegate that the setup asks for; NULL in session->delegate for plain kernels. */
bool tflite_make_delegate(struct tflite_session *session, const struct engine_setup *setup,
                          struct failure *failure);

/* Checks number and types of the tensors against the setup, and resizes inputs that differ. */
bool tflite_set_inputs(struct tflite_session *session, const struct engine_setup *setup,
                       struct engine_report *report, bool *resized, struct failure *failure);
/* After the allocation: describes the tensors and notes where they are. */
bool tflite_take_tensors(struct tflite_session *session, const struct engine_setup *setup,
                         struct engine_report *report, struct failure *failure);
/* Which delegates got what, by the plans that were seen and the log. */
bool tflite_prove(struct tflite_session *session, const struct engine_setup *setup,
                  const struct delegation *delegation, struct engine_report *report,
                  struct failure *failure);

/* The signature asked for is there and runs the graph that this interface runs. After the
 * allocation: in some versions asking for a signature lets delegates in. */
bool tflite_check_signature(struct tflite_session *session, size_t signature,
                            struct failure *failure);

#endif
