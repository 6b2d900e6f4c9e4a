/* Why a trial ended early: the codes of docs/protocol.md, each with its exit code. */
#ifndef BOKEHBENCH_FAILURE_H
#define BOKEHBENCH_FAILURE_H

#include "libc.h"

enum failure_code {
    FAILURE_NONE = 0,
    FAILURE_USAGE,
    FAILURE_PROTOCOL_MISMATCH,
    FAILURE_MANIFEST_INVALID,
    FAILURE_INPUT_MISSING,
    FAILURE_INPUT_MISMATCH,
    FAILURE_MODEL_MISSING,
    FAILURE_MODEL_INVALID,
    FAILURE_ENGINE_MISSING,
    FAILURE_ENGINE_UNSUPPORTED,
    FAILURE_BACKEND_UNAVAILABLE,
    FAILURE_OP_UNSUPPORTED,
    FAILURE_DELEGATE_FAILED,
    FAILURE_INVOKE_FAILED,
    FAILURE_INTERNAL,
    FAILURE_OUT_OF_MEMORY,
    FAILURE_IO_ERROR,
    FAILURE_STOPPED,
    FAILURE_CODES
};

enum { EXIT_DEADLINE = 124 };

struct failure {
    enum failure_code code;
    bool has_status;
    int64_t status; /* the engine's own number */
    char message[1024];
};

/* Both fill `failure` and return false, so that a caller can `return fail(...)`. */
bool fail(struct failure *failure, enum failure_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool fail_status(struct failure *failure, enum failure_code code, int64_t status,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));

bool fail_memory(struct failure *failure, size_t size, const char *purpose);

const char *failure_name(enum failure_code code);
int failure_exit(enum failure_code code);

#endif
