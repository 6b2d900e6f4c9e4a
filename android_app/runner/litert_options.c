#include "litert_session.h"

/* Options are TOML text in memory that the engine frees. */
static bool add(const struct litert_api *api, void *options, const char *id, const char *toml,
                struct failure *failure) {
    size_t size = strlen(toml) + 1;
    char *payload = malloc(size);
    void *opaque = NULL;
    if (payload == NULL) {
        return fail_memory(failure, size, "options");
    }
    memcpy(payload, toml, size);
    int status = api->CreateOpaqueOptions(id, payload, free, &opaque);
    if (status == LITERT_OK) {
        status = api->AddOpaqueOptions(options, opaque);
    }
    return status == LITERT_OK || litert_failed(failure, FAILURE_INTERNAL, status, id);
}

static bool add_cpu(const struct litert_api *api, void *options, const struct engine_setup *setup,
                    struct failure *failure) {
    /* LiteRtCpuKernelMode: 0 delegate, 2 the engine's own optimised kernels. */
    char toml[64];
    snprintf(toml, sizeof toml, "num_threads = %u\nkernel_mode = %d\n", (unsigned)setup->threads,
             setup->backend == BACKEND_CPU ? 2 : 0);
    return add(api, options, "xnnpack", toml, failure);
}

static bool add_gpu(const struct litert_api *api, void *options, const struct engine_setup *setup,
                    struct failure *failure) {
    /* LiteRtDelegatePrecision: 0 default, 1 fp16, 2 fp32. wait_type 1: passive.
     * LiteRtGpuBackend: 0 automatic, 1 OpenCL, 2 WebGPU, 3 OpenGL. Older accelerators ignore
     * keys that they don't know, so what they set up is compared afterwards. */
    static const int BACKENDS[] = {0, 1, 3, 2}; /* enum gpu_api */
    int precision = setup->precision == PRECISION_FP16   ? 1
                    : setup->precision == PRECISION_FP32 ? 2
                                                         : 0;
    bool cached = setup->cache != CACHE_NONE;
    size_t size = 256 + (cached ? strlen(setup->cache_dir) + strlen(setup->cache_token) : 0);
    char *toml = malloc(size);
    if (toml == NULL) {
        return fail_memory(failure, size, "options");
    }
    int used = snprintf(toml, size, "precision = %d\nwait_type = 1\n", precision);
    if (setup->gpu_api != GPU_API_AUTO) {
        used += snprintf(toml + used, size - (size_t)used, "backend = %d\n",
                         BACKENDS[setup->gpu_api]);
    }
    if (cached) {
        snprintf(toml + used, size - (size_t)used,
                 "serialization_dir = \"%s\"\nmodel_cache_key = \"%s\"\n"
                 "serialize_program_cache = true\n",
                 setup->cache_dir, setup->cache_token);
    }
    bool added = add(api, options, "gpu_options", toml, failure);
    free(toml);
    return added;
}

bool litert_check_options(const struct engine_setup *setup, struct failure *failure) {
    if (setup->backend != BACKEND_GPU) {
        return true;
    }
    if (setup->gpu_preference != GPU_FAST_SINGLE_ANSWER) {
        return fail(failure, FAILURE_USAGE,
                    "gpu_preference: LiteRT has no such option, it takes fast_single_answer");
    }
    if (setup->max_partitions != 1) {
        return fail(failure, FAILURE_USAGE, "max_partitions: LiteRT has no such option, it takes 1");
    }
    if (setup->cache != CACHE_NONE && (strchr(setup->cache_dir, '"') != NULL ||
                                       strchr(setup->cache_dir, '\\') != NULL)) {
        return fail(failure, FAILURE_USAGE, "cache_dir=%s: LiteRT takes no quotes or backslashes",
                    setup->cache_dir);
    }
    return true;
}

bool litert_add_options(const struct litert_api *api, void *options,
                        const struct engine_setup *setup, int accelerators,
                        struct failure *failure) {
    return ((accelerators & LITERT_CPU) == 0 || add_cpu(api, options, setup, failure)) &&
           ((accelerators & LITERT_GPU) == 0 || add_gpu(api, options, setup, failure));
}
