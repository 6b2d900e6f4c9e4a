#include "files.h"
#include "proof.h"
#include "tflite_session.h"

bool tflite_failed(const struct tflite_session *session, struct failure *failure,
                   enum failure_code code, int status, const char *what) {
    size_t line = 0;
    while (session->said[line] != '\0' && session->said[line] != '\n') {
        line++;
    }
    return fail_status(failure, status == TFLITE_UNRESOLVED_OPS ? FAILURE_OP_UNSUPPORTED : code,
                       status, "%s: TFLite status %d%s%.*s", what, status, line > 0 ? ": " : "",
                       (int)line, session->said);
}

static bool open_engine(const char *library, void **result, const char **abi,
                        struct failure *failure) {
    struct tflite_session *session = calloc(1, sizeof *session);
    if (session == NULL) {
        return fail_memory(failure, sizeof *session, "the engine");
    }
    if (!tflite_bind(library, &session->api, failure)) {
        free(session);
        return false;
    }
    *result = session;
    *abi = session->api.generation;
    return true;
}

/* TFLite's own reporter prints the same; ours remembers it as well. */
static void report_error(void *user, const char *format, va_list values) {
    static const char AFTERMATH[] = "Restored original execution plan";
    struct tflite_session *session = user;
    char text[sizeof session->said];
    if (session->quiet || vsnprintf(text, sizeof text, format, values) <= 0) {
        return;
    }
    (void)write_all(2, "ERROR: ", 7);
    (void)write_all(2, text, strlen(text));
    (void)write_all(2, "\n", 1);
    if (strncmp(text, AFTERMATH, sizeof AFTERMATH - 1) != 0) {
        memcpy(session->said, text, sizeof text);
    }
}

static bool open_model(struct tflite_session *session, const struct engine_setup *setup,
                       struct failure *failure) {
    const struct tflite_api *api = &session->api;
    int fd = openat(AT_FDCWD, setup->model, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return fail(failure, FAILURE_MODEL_MISSING, "%s: %s", setup->model, strerror(errno));
    }
    close(fd);
    session->model = api->ModelCreateFromFileWithErrorReporter != NULL
                         ? api->ModelCreateFromFileWithErrorReporter(setup->model, report_error,
                                                                     session)
                         : api->ModelCreateFromFile(setup->model);
    return session->model != NULL || fail(failure, FAILURE_MODEL_INVALID,
                                          "%s is not a model that TFLite can read", setup->model);
}

static bool apply_now(const struct tflite_session *session) {
    return session->api.InterpreterModifyGraphWithDelegate != NULL;
}

static struct tflite_delegate *outer_delegate(struct tflite_session *session) {
    return session->watched ? &session->watch.own.delegate : session->delegate;
}

static bool make_interpreter(struct tflite_session *session, const struct engine_setup *setup,
                             struct failure *failure) {
    const struct tflite_api *api = &session->api;
    void *options = api->InterpreterOptionsCreate();
    if (options == NULL) {
        return fail(failure, FAILURE_OUT_OF_MEMORY, "no memory for TFLite's options");
    }
    api->InterpreterOptionsSetNumThreads(options, (int32_t)setup->threads);
    api->InterpreterOptionsSetErrorReporter(options, report_error, session);
    if (session->delegate != NULL && !apply_now(session)) {
        api->InterpreterOptionsAddDelegate(options, outer_delegate(session));
    }
    session->interpreter = api->InterpreterCreate(session->model, options);
    if (session->interpreter != NULL) {
        return true;
    }
    bool delegated = session->delegate != NULL && !apply_now(session);
    return tflite_failed(session, failure,
                         delegated ? FAILURE_DELEGATE_FAILED : FAILURE_MODEL_INVALID,
                         delegated ? TFLITE_DELEGATE_ERROR : 1, "making the interpreter");
}

static bool unprepared(const struct tflite_session *session, int status, bool resized,
                       struct failure *failure) {
    return tflite_failed(session, failure,
                         resized ? FAILURE_INPUT_MISMATCH : FAILURE_MODEL_INVALID, status,
                         "preparing the model");
}

static bool allocate(struct tflite_session *session, bool resized, struct failure *failure) {
    int status = session->api.InterpreterAllocateTensors(session->interpreter);
    return status == TFLITE_OK || unprepared(session, status, resized, failure);
}

/* Some builds of TFLite apply XNNPACK by themselves when tensors are allocated for the first time,
 * and its C interface has no switch for that. But a delegate that fails takes all others back with it
 * (Subgraph::ModifyGraphWithDelegate, since 2.5), and the default ones don't come again. */
static void take_delegates_back(struct tflite_session *session) {
    if (!apply_now(session)) {
        return; /* the log tells then whether there is one */
    }
    (void)tflite_watch_init(&session->refusing, NULL);
    session->refusing.refuses = true;
    session->quiet = true; /* it says that a delegate failed */
    session->api.InterpreterModifyGraphWithDelegate(session->interpreter,
                                                    &session->refusing.own.delegate);
    session->quiet = false;
}

static bool plain_kernels(struct tflite_session *session, bool resized, struct failure *failure) {
    take_delegates_back(session);
    return allocate(session, resized, failure);
}

/* What is in force at last. A default delegate that comes after ours and fails takes ours back
 * without a word, too. */
static bool look_again(struct tflite_session *session, bool resized, struct failure *failure) {
    if (!apply_now(session)) {
        return true;
    }
    (void)tflite_watch_init(&session->last, NULL);
    session->quiet = true;
    int status = session->api.InterpreterModifyGraphWithDelegate(session->interpreter,
                                                                 &session->last.own.delegate);
    session->quiet = false;
    session->last.blind = session->last.blind || status != TFLITE_OK;
    return allocate(session, resized, failure);
}

static bool apply_delegate(struct tflite_session *session, bool resized,
                           struct failure *failure) {
    if (session->delegate == NULL || !apply_now(session)) {
        return true;
    }
    int status = session->api.InterpreterModifyGraphWithDelegate(session->interpreter,
                                                                 outer_delegate(session));
    if (session->watched && session->watch.subgraphs == 0 && status != TFLITE_OK &&
        status != TFLITE_APPLICATION_ERROR) {
        /* TFLite prepares the graph first, and the delegate was never asked. */
        return unprepared(session, status, resized, failure);
    }
    return status == TFLITE_OK || tflite_failed(session, failure, FAILURE_DELEGATE_FAILED, status,
                                                "applying the delegate");
}

static bool load(void *opaque, const struct engine_setup *setup, struct engine_report *report,
                 struct failure *failure) {
    struct tflite_session *session = opaque;
    bool resized = false;
    /* Shapes first: a delegate compiles for those that it finds. */
    return open_model(session, setup, failure) && tflite_make_delegate(session, setup, failure) &&
           make_interpreter(session, setup, failure) &&
           tflite_set_inputs(session, setup, report, &resized, failure) &&
           apply_delegate(session, resized, failure) && allocate(session, resized, failure) &&
           (setup->backend != BACKEND_CPU || plain_kernels(session, resized, failure)) &&
           look_again(session, resized, failure) &&
           tflite_take_tensors(session, setup, report, failure) &&
           tflite_check_signature(session, setup->signature, failure);
}

static bool prove(void *opaque, const struct engine_setup *setup,
                  const struct delegation *delegation, struct engine_report *report,
                  struct failure *failure) {
    if (failure->code != FAILURE_NONE) {
        return proof_refine(setup, delegation, failure);
    }
    return tflite_prove(opaque, setup, delegation, report, failure);
}

/* Tensors of the graph's ends are in memory of the processor's: Invoke itself takes the inputs
 * from there, uploads them where a GPU runs, waits, and puts the outputs there. */
static bool lock(void *opaque, enum direction direction, size_t index, enum access access,
                 void **address, struct failure *failure) {
    struct tflite_session *session = opaque;
    const struct tflite_api *api = &session->api;
    (void)access;
    if (direction == INPUT) {
        *address = api->TensorData(session->input[index]);
    } else {
        *address = api->TensorData(session->output[index]);
        if (api->TensorByteSize(session->output[index]) != session->output_bytes[index]) {
            return fail(failure, FAILURE_INVOKE_FAILED, "output %u changed its size in a run",
                        (unsigned)index);
        }
    }
    return *address != NULL ||
           fail(failure, FAILURE_INVOKE_FAILED, "a tensor lost its memory in a run");
}

static bool unlock(void *opaque, enum direction direction, size_t index,
                   struct failure *failure) {
    (void)opaque;
    (void)direction;
    (void)index;
    (void)failure;
    return true;
}

static bool run(void *opaque, struct failure *failure) {
    struct tflite_session *session = opaque;
    int status = session->api.InterpreterInvoke(session->interpreter);
    return status == TFLITE_OK ||
           tflite_failed(session, failure, FAILURE_INVOKE_FAILED, status, "run");
}

const struct engine ENGINE_TFLITE = {"tflite", "invoke", open_engine, load,
                                     prove,    lock,     unlock,      run};
