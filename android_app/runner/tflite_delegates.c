#include "returned_struct.h"
#include "tflite_session.h"

/* Zeroed room behind the options: later versions may read fields that we don't know. */
union options {
    struct tflite_gpu_options gpu;
    int32_t xnnpack_threads; /* the first field of TfLiteXNNPackDelegateOptions in all versions */
    char room[RETURNED_STRUCT];
};

static bool read_defaults(void (*function)(void), union options *options,
                          struct failure *failure) {
    return returned_struct(function, options) ||
           fail(failure, FAILURE_ENGINE_UNSUPPORTED,
                "no way to call functions that return structs on this processor");
}

/* A struct of another layout would be filled with nonsense. */
static bool sound(const struct tflite_gpu_options *options) {
    bool good = options->precision_loss_allowed >= -1 && options->precision_loss_allowed <= 1 &&
                options->preference >= 0 && options->preference <= 2 &&
                options->max_partitions >= 0 && options->max_partitions <= 1000 &&
                (options->flags & ~(int64_t)0xff) == 0;
    for (size_t i = 0; i < 3; i++) {
        good = good && options->priority[i] >= 0 && options->priority[i] <= 3;
    }
    return good;
}

/* As benchmark_model sets them (tensorflow/lite/tools/delegates/gpu_delegate_provider.cc). */
static void set_precision(struct tflite_gpu_options *options, enum precision precision) {
    static const int32_t FAST[] = {TFLITE_GPU_MIN_LATENCY, TFLITE_GPU_MIN_MEMORY_USAGE,
                                   TFLITE_GPU_MAX_PRECISION};
    static const int32_t EXACT[] = {TFLITE_GPU_MAX_PRECISION, TFLITE_GPU_AUTO, TFLITE_GPU_AUTO};
    if (precision == PRECISION_DEFAULT) {
        return; /* TFLite's own: full precision */
    }
    memcpy(options->priority, precision == PRECISION_FP16 ? FAST : EXACT, sizeof FAST);
    options->precision_loss_allowed = -1;
}

static bool make_gpu(struct tflite_session *session, const struct engine_setup *setup,
                     struct failure *failure) {
    struct tflite_api *api = &session->api;
    union options options;
    if (setup->gpu_api == GPU_API_WEBGPU) {
        return fail(failure, FAILURE_USAGE, "gpu_backend=webgpu: TFLite's GPU delegate has none");
    }
    if (!tflite_bind_gpu(api, setup->folder, failure) ||
        !read_defaults(api->GpuDelegateOptionsV2Default, &options, failure)) {
        return false;
    }
    struct tflite_gpu_options *gpu = &options.gpu;
    if (!sound(gpu)) {
        return fail(failure, FAILURE_ENGINE_UNSUPPORTED,
                    "TfLiteGpuDelegateOptionsV2 of this build has another layout");
    }
    set_precision(gpu, setup->precision);
    gpu->preference = setup->gpu_preference == GPU_SUSTAINED_SPEED ? 1 : 0;
    gpu->max_partitions = (int32_t)setup->max_partitions;
    gpu->flags |= TFLITE_GPU_ENABLE_QUANT;
    gpu->flags |= setup->gpu_api == GPU_API_OPENCL   ? TFLITE_GPU_CL_ONLY
                  : setup->gpu_api == GPU_API_OPENGL ? TFLITE_GPU_GL_ONLY
                                                     : 0;
    if (setup->cache != CACHE_NONE) {
        gpu->flags |= TFLITE_GPU_ENABLE_SERIALIZATION;
        gpu->serialization_dir = setup->cache_dir;
        gpu->model_token = setup->cache_token;
    }
    session->delegate = api->GpuDelegateV2Create(gpu);
    return session->delegate != NULL ||
           tflite_failed(session, failure, FAILURE_DELEGATE_FAILED, TFLITE_DELEGATE_ERROR,
                         "TfLiteGpuDelegateV2Create");
}

static bool make_xnnpack(struct tflite_session *session, const struct engine_setup *setup,
                         struct failure *failure) {
    struct tflite_api *api = &session->api;
    union options options;
    if (api->XNNPackDelegateCreate == NULL || api->XNNPackDelegateOptionsDefault == NULL) {
        return fail(failure, FAILURE_BACKEND_UNAVAILABLE,
                    "the engine's library lacks TfLiteXNNPackDelegateCreate or "
                    "TfLiteXNNPackDelegateOptionsDefault");
    }
    if (!read_defaults(api->XNNPackDelegateOptionsDefault, &options, failure)) {
        return false;
    }
    options.xnnpack_threads = (int32_t)setup->threads;
    session->delegate = api->XNNPackDelegateCreate(&options);
    return session->delegate != NULL ||
           tflite_failed(session, failure, FAILURE_DELEGATE_FAILED, TFLITE_DELEGATE_ERROR,
                         "TfLiteXNNPackDelegateCreate");
}

bool tflite_make_delegate(struct tflite_session *session, const struct engine_setup *setup,
                          struct failure *failure) {
    if (setup->backend == BACKEND_CPU) {
        return true;
    }
    bool made = setup->backend == BACKEND_GPU ? make_gpu(session, setup, failure)
                                              : make_xnnpack(session, setup, failure);
    session->watched = made && tflite_watch_init(&session->watch, session->delegate);
    return made;
}
