/* The part of TFLite's C interface that the runner calls, declared anew.
 *
 * Source: the public headers of TensorFlow Lite 2.5.0 to 2.16.1 (tensorflow/lite/c/: c_api.h,
 * c_api_experimental.h, c_api_types.h, common.h; delegates/gpu/delegate_options.h,
 * delegates/xnnpack/xnnpack_delegate.h). Handles are opaque pointers, a status is an int. The
 * structs below are beginnings of the real ones, the same in all of these versions; later ones
 * add fields at the end. The library is opened at run time, so a mistake here shows as a crash
 * and not at link time: sizes and places are asserted.
 */
#ifndef BOKEHBENCH_TFLITE_ABI_H
#define BOKEHBENCH_TFLITE_ABI_H

#include "failure.h"

/* TfLiteStatus */
enum tflite_status {
    TFLITE_OK = 0,
    TFLITE_DELEGATE_ERROR = 2,    /* and the graph is as it was before */
    TFLITE_APPLICATION_ERROR = 3, /* the delegate does not go with this graph */
    TFLITE_UNRESOLVED_OPS = 7,
};

enum { TFLITE_BUILTIN_DELEGATE = 51 }; /* kTfLiteBuiltinDelegate: a node that a delegate runs */

struct tflite_int_array {
    int size;
    int data[];
};

/* TfLiteRegistration */
struct tflite_registration {
    void *init;
    void *free;
    void *prepare;
    void *invoke;
    void *profiling_string;
    int32_t builtin_code;
    const char *custom_name;
};

/* TfLiteContext */
struct tflite_context {
    size_t tensors_size;
    int (*GetExecutionPlan)(struct tflite_context *, struct tflite_int_array **);
    void *tensors;
    void *impl;
    void *ResizeTensor;
    void *ReportError;
    void *AddTensors;
    int (*GetNodeAndRegistration)(struct tflite_context *, int node, void **,
                                  struct tflite_registration **);
};

enum { TFLITE_ALLOW_DYNAMIC_TENSORS = 1 }; /* of TfLiteDelegateFlags */

/* TfLiteDelegate; the last field came with 2.11, with zero bytes after ours it is absent. */
struct tflite_delegate {
    void *data;
    int (*Prepare)(struct tflite_context *, struct tflite_delegate *);
    void *CopyFromBufferHandle;
    void *CopyToBufferHandle;
    void *FreeBufferHandle;
    int64_t flags;
    void *opaque_delegate_builder;
};

struct tflite_quantisation {
    float scale;
    int32_t zero;
};

/* TfLiteGpuDelegateOptionsV2 */
struct tflite_gpu_options {
    int32_t precision_loss_allowed; /* -1: the priorities decide */
    int32_t preference;             /* 0 fast single answer, 1 sustained speed, 2 balanced */
    int32_t priority[3];            /* enum tflite_gpu_priority */
    int64_t flags;                  /* enum tflite_gpu_flag */
    int32_t max_partitions;
    const char *serialization_dir;
    const char *model_token;
};

enum tflite_gpu_priority {
    TFLITE_GPU_AUTO = 0,
    TFLITE_GPU_MAX_PRECISION = 1,
    TFLITE_GPU_MIN_LATENCY = 2,
    TFLITE_GPU_MIN_MEMORY_USAGE = 3,
};

enum tflite_gpu_flag {
    TFLITE_GPU_ENABLE_QUANT = 1,
    TFLITE_GPU_CL_ONLY = 2,
    TFLITE_GPU_GL_ONLY = 4,
    TFLITE_GPU_ENABLE_SERIALIZATION = 8,
};

_Static_assert(offsetof(struct tflite_registration, builtin_code) == 5 * sizeof(void *) &&
                   offsetof(struct tflite_registration, custom_name) == 6 * sizeof(void *),
               "TfLiteRegistration (LP64)");
_Static_assert(offsetof(struct tflite_context, GetNodeAndRegistration) == 7 * sizeof(void *),
               "TfLiteContext");
_Static_assert(offsetof(struct tflite_delegate, flags) == 5 * sizeof(void *) &&
                   sizeof(struct tflite_delegate) == 7 * sizeof(void *),
               "TfLiteDelegate (LP64)");
_Static_assert(offsetof(struct tflite_gpu_options, flags) == 24 &&
                   offsetof(struct tflite_gpu_options, max_partitions) == 32 &&
                   offsetof(struct tflite_gpu_options, serialization_dir) == 40 &&
                   sizeof(struct tflite_gpu_options) == 56,
               "TfLiteGpuDelegateOptionsV2 (LP64)");

typedef void tflite_reporter(void *user, const char *format, va_list values);

/* Member, type of its value, parameters. */
#define TFLITE_REQUIRED(X)                                                                     \
    X(Version, const char *, (void))                                                           \
    X(ModelCreateFromFile, void *, (const char *))                                             \
    X(InterpreterOptionsCreate, void *, (void))                                                \
    X(InterpreterOptionsSetNumThreads, void, (void *, int32_t))                                \
    X(InterpreterOptionsSetErrorReporter, void, (void *, tflite_reporter *, void *))           \
    X(InterpreterOptionsAddDelegate, void, (void *, struct tflite_delegate *))                 \
    X(InterpreterCreate, void *, (void *, void *))                                             \
    X(InterpreterGetInputTensorCount, int32_t, (void *))                                       \
    X(InterpreterGetInputTensor, void *, (void *, int32_t))                                    \
    X(InterpreterResizeInputTensor, int, (void *, int32_t, const int *, int32_t))              \
    X(InterpreterAllocateTensors, int, (void *))                                               \
    X(InterpreterInvoke, int, (void *))                                                        \
    X(InterpreterGetOutputTensorCount, int32_t, (void *))                                      \
    X(InterpreterGetOutputTensor, void *, (void *, int32_t))                                   \
    X(TensorType, int, (const void *))                                                         \
    X(TensorNumDims, int32_t, (const void *))                                                  \
    X(TensorDim, int32_t, (const void *, int32_t))                                             \
    X(TensorByteSize, size_t, (const void *))                                                  \
    X(TensorData, void *, (const void *))                                                      \
    X(TensorName, const char *, (const void *))                                                \
    X(TensorQuantizationParams, struct tflite_quantisation, (const void *))

/* Absent from old versions: ModifyGraphWithDelegate from 2.5, the signatures before 2.9 and from
 * some builds of 2.9, whose key is called Name. */
#define TFLITE_OPTIONAL(X)                                                                     \
    X(ModelCreateFromFileWithErrorReporter, void *, (const char *, tflite_reporter *, void *)) \
    X(InterpreterModifyGraphWithDelegate, int, (void *, struct tflite_delegate *))             \
    X(InterpreterGetSignatureCount, int32_t, (void *))                                         \
    X(InterpreterGetSignatureKey, const char *, (void *, int32_t))                             \
    X(InterpreterGetSignatureName, const char *, (void *, int32_t))                            \
    X(InterpreterGetSignatureRunner, void *, (void *, const char *))                           \
    X(SignatureRunnerGetInputCount, size_t, (void *))                                          \
    X(SignatureRunnerGetInputName, const char *, (void *, int32_t))                            \
    X(SignatureRunnerGetInputTensor, void *, (void *, const char *))                           \
    X(XNNPackDelegateCreate, struct tflite_delegate *, (const void *))                         \
    X(XNNPackDelegateOptionsDefault, void, (void))

struct tflite_api {
#define X(name, value, parameters) value(*name) parameters;
    TFLITE_REQUIRED(X)
    TFLITE_OPTIONAL(X)
#undef X
    /* Bound for the GPU only. Both `Default` functions return a struct whose size depends on the
     * version: they are called through returned_struct. */
    struct tflite_delegate *(*GpuDelegateV2Create)(const struct tflite_gpu_options *);
    void (*GpuDelegateOptionsV2Default)(void);
    void *library;
    char generation[48]; /* "tflite-2.16.1": as the library names its version */
};

bool tflite_bind(const char *library, struct tflite_api *api, struct failure *failure);

/* Finds the GPU delegate in the engine's own library or in one of its own in `folder`. */
bool tflite_bind_gpu(struct tflite_api *api, const char *folder, struct failure *failure);

#endif
