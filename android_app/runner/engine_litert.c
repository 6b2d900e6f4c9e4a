#include "litert_session.h"

#include "files.h"
#include "proof.h"

bool litert_failed(struct failure *failure, enum failure_code code, int status,
                   const char *what) {
    return fail_status(failure, status == LITERT_OUT_OF_MEMORY ? FAILURE_OUT_OF_MEMORY : code,
                       status, "%s: LiteRT status %d", what, status);
}

static bool open_engine(const char *library, void **result, const char **abi,
                        struct failure *failure) {
    struct litert_session *session = calloc(1, sizeof *session);
    if (session == NULL) {
        return fail_memory(failure, sizeof *session, "the engine");
    }
    if (!litert_bind(library, &session->api, failure)) {
        free(session);
        return false;
    }
    *result = session;
    *abi = session->api.generation;
    return true;
}

static bool open_environment(struct litert_session *session, const char *folder,
                             struct failure *failure) {
    struct litert_environment_option options[2];
    memset(options, 0, sizeof options);
    options[0].tag = LITERT_TAG_LIBRARY_FOLDER;
    options[0].value.type = LITERT_ANY_STRING;
    options[0].value.value.string = folder;
    options[1].tag = LITERT_TAG_LOG_SEVERITY;
    options[1].value.type = LITERT_ANY_INT;
    options[1].value.value.integer = 0; /* the lines about delegates are INFO */
    int status = session->api.CreateEnvironment(2, options, &session->environment);
    return status == LITERT_OK ||
           litert_failed(failure, FAILURE_ENGINE_UNSUPPORTED, status, "environment");
}

static bool open_model(struct litert_session *session, const struct engine_setup *setup,
                       struct failure *failure) {
    const struct litert_api *api = &session->api;
    int fd = openat(AT_FDCWD, setup->model, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return fail(failure, FAILURE_MODEL_MISSING, "%s: %s", setup->model, strerror(errno));
    }
    close(fd);
    int status = api->CreateModelFromFile != NULL
                     ? api->CreateModelFromFile(session->environment, setup->model,
                                                &session->model)
                     : api->CreateModelFromFileOld(setup->model, &session->model);
    if (status != LITERT_OK) {
        return litert_failed(failure, FAILURE_MODEL_INVALID, status, setup->model);
    }
    size_t signatures = 0;
    status = api->GetNumModelSignatures(session->model, &signatures);
    if (status != LITERT_OK || setup->signature >= signatures) {
        return fail_status(failure, FAILURE_INPUT_MISMATCH, status,
                           "signature %u asked for, the model has %u",
                           (unsigned)setup->signature, (unsigned)signatures);
    }
    session->signature_index = setup->signature;
    status = api->GetModelSignature(session->model, setup->signature, &session->signature);
    if (status == LITERT_OK) {
        status = api->GetNumSignatureInputs(session->signature, &session->inputs);
    }
    if (status == LITERT_OK) {
        status = api->GetNumSignatureOutputs(session->signature, &session->outputs);
    }
    if (status != LITERT_OK) {
        return litert_failed(failure, FAILURE_MODEL_INVALID, status, "signature");
    }
    if (session->inputs != setup->inputs || session->outputs != setup->outputs) {
        return fail(failure, FAILURE_INPUT_MISMATCH,
                    "the signature has %u inputs and %u outputs, the host expects %u and %u",
                    (unsigned)session->inputs, (unsigned)session->outputs,
                    (unsigned)setup->inputs, (unsigned)setup->outputs);
    }
    return true;
}

static bool compile(struct litert_session *session, const struct engine_setup *setup,
                    int accelerators, int *status, struct failure *failure) {
    const struct litert_api *api = &session->api;
    void *options = NULL;
    *status = api->CreateOptions(&options);
    if (*status == LITERT_OK) {
        *status = api->SetOptionsHardwareAccelerators(options, accelerators);
    }
    if (*status != LITERT_OK) {
        return litert_failed(failure, FAILURE_INTERNAL, *status, "options");
    }
    if (!litert_add_options(api, options, setup, accelerators, failure)) {
        return false;
    }
    *status = api->CreateCompiledModel(session->environment, session->model, options,
                                       &session->compiled);
    return *status == LITERT_OK ||
           litert_failed(failure, FAILURE_DELEGATE_FAILED, *status, "compiling the model");
}

static bool load(void *opaque, const struct engine_setup *setup, struct engine_report *report,
                 struct failure *failure) {
    struct litert_session *session = opaque;
    int status = LITERT_OK;
    if (!litert_check_options(setup, failure) ||
        !open_environment(session, setup->folder, failure) ||
        !open_model(session, setup, failure)) {
        return false;
    }
    bool gpu = setup->backend == BACKEND_GPU;
    bool compiled = compile(session, setup, gpu ? LITERT_GPU : LITERT_CPU, &status, failure);
    session->gpu_alone = gpu && compiled;
    if (!compiled && gpu && status == LITERT_COMPILATION) {
        static const char MARK[] = NEXT_ATTEMPT ", gpu+cpu\n";
        (void)write_all(2, MARK, sizeof MARK - 1);
        memset(failure, 0, sizeof *failure);
        compiled = compile(session, setup, LITERT_GPU | LITERT_CPU, &status, failure);
    }
    return compiled && litert_make_tensors(session, setup, report, failure);
}

static bool prove_gpu(struct litert_session *session, const struct delegation *delegation,
                      bool has_nodes, const struct replacement *nodes,
                      struct engine_report *report, struct failure *failure) {
    const struct litert_api *api = &session->api;
    bool whole = false;
    bool told = false;
    if (api->CompiledModelIsNonCpuFullyAccelerated != NULL) {
        told = api->CompiledModelIsNonCpuFullyAccelerated(session->compiled, &whole) == LITERT_OK;
    } else if (session->gpu_alone && !delegation->xnnpack) {
        /* Before 2.3.0: it counts any accelerator, and here the GPU is the only one. */
        told = api->CompiledModelIsFullyAccelerated(session->compiled, &whole) == LITERT_OK;
    }
    bool some = (has_nodes && nodes->replaced > 0) ||
                (delegation->split && delegation->gpu_nodes > 0) || (told && whole);
    if (!some) {
        fail(failure,
             delegation->unsupported && !delegation->no_accelerator ? FAILURE_OP_UNSUPPORTED
                                                                    : FAILURE_BACKEND_UNAVAILABLE,
             "nothing proves that the GPU runs a part of the model");
        proof_explain(delegation, failure);
        return false;
    }
    if (told) {
        report->fully_accelerated = whole ? YES : NO;
    } else if (has_nodes) {
        report->fully_accelerated = nodes->replaced == nodes->total ? YES : NO;
    } else {
        report->fully_accelerated = delegation->cpu_nodes == 0 ? YES : NO;
    }
    return true;
}

/* The line with the counts is VERBOSE in TFLite, which Android builds print and others don't.
 * Without it there is the INFO line that the delegate was made (2.1.3 makes it whatever
 * kernel_mode says), and IsFullyAccelerated, which counts XNNPACK in. */
static bool prove_cpu(struct litert_session *session, const struct engine_setup *setup,
                      const struct delegation *delegation, bool has_nodes,
                      struct engine_report *report, struct failure *failure) {
    bool whole = false;
    bool told = session->api.CompiledModelIsFullyAccelerated(session->compiled, &whole) ==
                LITERT_OK;
    bool delegated = delegation->xnnpack || delegation->replacements > 0 || (told && whole);
    report->fully_accelerated = !told ? UNKNOWN : whole ? YES : NO;
    if (setup->backend == BACKEND_CPU) {
        if (delegated || !told || !delegation->talks) {
            return fail(failure, FAILURE_BACKEND_UNAVAILABLE,
                        delegated ? "this engine runs XNNPACK whatever kernels are asked for"
                                  : "nothing proves that no delegate ran");
        }
        return true;
    }
    if (!delegated) {
        return fail(failure, FAILURE_BACKEND_UNAVAILABLE, "nothing proves that XNNPACK runs");
    }
    if (!has_nodes) {
        snprintf(report->delegate, sizeof report->delegate, "XNNPACK");
    }
    return true;
}

static bool prove(void *opaque, const struct engine_setup *setup,
                  const struct delegation *delegation, struct engine_report *report,
                  struct failure *failure) {
    struct litert_session *session = opaque;
    struct replacement nodes;
    if (failure->code != FAILURE_NONE) {
        return proof_refine(setup, delegation, failure);
    }
    bool gpu = setup->backend == BACKEND_GPU;
    bool has_nodes = delegation_nodes(delegation, "xnnpack", !gpu, &nodes);
    proof_shares(delegation, report);
    if (has_nodes) {
        snprintf(report->delegate, sizeof report->delegate, "%s", nodes.delegate);
        report->has_nodes = nodes.has_total;
        report->has_partitions = nodes.has_partitions;
        report->delegated_nodes = nodes.replaced;
        report->total_nodes = nodes.total;
        report->partitions = nodes.partitions;
    } else if (gpu && delegation->split) {
        report->has_nodes = true;
        report->delegated_nodes = delegation->gpu_nodes;
        report->total_nodes = delegation->gpu_nodes + delegation->cpu_nodes;
    }
    if (gpu) {
        return proof_gpu_api(setup, delegation, failure) &&
               prove_gpu(session, delegation, has_nodes, &nodes, report, failure);
    }
    return prove_cpu(session, setup, delegation, has_nodes, report, failure);
}

static bool lock(void *opaque, enum direction direction, size_t index, enum access access,
                 void **address, struct failure *failure) {
    struct litert_session *session = opaque;
    int status = session->api.LockTensorBuffer(
        direction == INPUT ? session->input[index] : session->output[index], address,
        access == ACCESS_WRITE ? LITERT_LOCK_WRITE : LITERT_LOCK_READ);
    return status == LITERT_OK ||
           litert_failed(failure, FAILURE_INVOKE_FAILED, status, "locking a tensor");
}

static bool unlock(void *opaque, enum direction direction, size_t index,
                   struct failure *failure) {
    struct litert_session *session = opaque;
    int status = session->api.UnlockTensorBuffer(
        direction == INPUT ? session->input[index] : session->output[index]);
    return status == LITERT_OK ||
           litert_failed(failure, FAILURE_INVOKE_FAILED, status, "unlocking a tensor");
}

static bool run(void *opaque, struct failure *failure) {
    struct litert_session *session = opaque;
    int status = session->api.RunCompiledModel(session->compiled, session->signature_index,
                                               session->inputs, session->input,
                                               session->outputs, session->output);
    return status == LITERT_OK || litert_failed(failure, FAILURE_INVOKE_FAILED, status, "run");
}

const struct engine ENGINE_LITERT = {"litert", "lock_write+run+lock_read",
                                     open_engine, load, prove, lock, unlock, run};
