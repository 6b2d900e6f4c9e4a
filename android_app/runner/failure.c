#include "failure.h"

static const struct {
    const char *name;
    int exit_code;
} CODES[FAILURE_CODES] = {
    [FAILURE_NONE] = {"none", 0},
    [FAILURE_USAGE] = {"usage", 64},
    [FAILURE_PROTOCOL_MISMATCH] = {"protocol_mismatch", 64},
    [FAILURE_MANIFEST_INVALID] = {"manifest_invalid", 65},
    [FAILURE_INPUT_MISSING] = {"input_missing", 65},
    [FAILURE_INPUT_MISMATCH] = {"input_mismatch", 65},
    [FAILURE_MODEL_MISSING] = {"model_missing", 66},
    [FAILURE_MODEL_INVALID] = {"model_invalid", 66},
    [FAILURE_ENGINE_MISSING] = {"engine_missing", 69},
    [FAILURE_ENGINE_UNSUPPORTED] = {"engine_unsupported", 69},
    [FAILURE_BACKEND_UNAVAILABLE] = {"backend_unavailable", 69},
    [FAILURE_OP_UNSUPPORTED] = {"op_unsupported", 69},
    [FAILURE_DELEGATE_FAILED] = {"delegate_failed", 69},
    [FAILURE_INVOKE_FAILED] = {"invoke_failed", 70},
    [FAILURE_INTERNAL] = {"internal", 70},
    [FAILURE_OUT_OF_MEMORY] = {"out_of_memory", 71},
    [FAILURE_IO_ERROR] = {"io_error", 74},
    [FAILURE_STOPPED] = {"stopped", 75},
};

static void set(struct failure *failure, enum failure_code code, const char *format,
                va_list values) {
    failure->code = code;
    failure->has_status = false;
    failure->status = 0;
    vsnprintf(failure->message, sizeof failure->message, format, values);
}

bool fail(struct failure *failure, enum failure_code code, const char *format, ...) {
    va_list values;
    va_start(values, format);
    set(failure, code, format, values);
    va_end(values);
    return false;
}

bool fail_status(struct failure *failure, enum failure_code code, int64_t status,
                 const char *format, ...) {
    va_list values;
    va_start(values, format);
    set(failure, code, format, values);
    va_end(values);
    failure->has_status = true;
    failure->status = status;
    return false;
}

bool fail_memory(struct failure *failure, size_t size, const char *purpose) {
    return fail(failure, FAILURE_OUT_OF_MEMORY, "no memory: %llu bytes for %s",
                (unsigned long long)size, purpose);
}

const char *failure_name(enum failure_code code) {
    return CODES[code].name;
}

int failure_exit(enum failure_code code) {
    return CODES[code].exit_code;
}
