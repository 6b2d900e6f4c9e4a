/* A stand-in for TFLite's libraries with a GPU delegate that behaves as it is told.
 *
 * Two libraries from this one file: the engine (-DENGINE: TFLite's C interface, one graph of 35
 * operations, one float32 image in and one out of the same shape, out = in / 2 + 1/4) and the GPU
 * delegate (without it). What they print, return and write is what TFLite 2.16 does
 * (tensorflow/lite/core/subgraph.cc, interpreter.cc, delegates/gpu/delegate.cc,
 * delegates/serialization.cc); no line of it is TFLite's. XNNPACK is applied by default when
 * tensors are allocated for the first time, as TFLite does.
 *
 * The behaviour is a word: compiled in (-DBEHAVIOUR="\"crash\""), so that each behaviour is a
 * library with a hash of its own, or in the model: a file that holds `fake-tflite:WORD.` anywhere,
 * for which bytes after the end of a .tflite do. Behaviours of the GPU delegate:
 *
 *   ok           takes all operations, with OpenCL, and keeps kernels where it is told to
 *   opengl       there is no OpenCL: it falls back to OpenGL; forced to OpenCL, it fails
 *   no_gpu       there is neither
 *   unforced     sets OpenGL up although OpenCL is forced
 *   refuse       fails when it is applied
 *   reject       supports no operation of the graph
 *   partial      takes 20 of 35 operations in two parts (with max_partitions 1: 12 in one)
 *   crash        SIGSEGV when it is applied
 *   hang         never comes back when it is applied
 *   wrong, nan   gives wrong values, or NaN
 *   run_fail     fails in the third run;  run_crash: SIGSEGV there
 *   taken_back   XNNPACK, applied to what is left, fails and takes the GPU delegate back
 *   stale_cache  does not take kernels from the cache, as after an update of the driver
 *   opaque       is of the kind that shows nothing, and prints nothing
 *
 * and of the engine: `stubborn` applies XNNPACK again whenever tensors are allocated, `old` is
 * without the functions that came after TFLite 2.5, `dynamic` has an output without memory,
 * `other_graph` has a signature of another graph, `quantised` has int8 ends of scale 1/255 and
 * zero point -128.
 */
#include <dlfcn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OK = 0, ERROR = 1, DELEGATE_ERROR = 2, NODES = 35, BUILTIN_DELEGATE = 51 };

typedef struct Delegate Delegate;
typedef struct Context Context;

typedef struct {
    int size;
    int data[NODES];
} IntArray;

typedef struct {
    void *init, *free, *prepare, *invoke, *profiling_string;
    int32_t builtin_code;
    const char *custom_name;
    int version;
    void *external, *async_kernel;
    uint64_t inplace_operator;
} Registration;

struct Context {
    size_t tensors_size;
    int (*GetExecutionPlan)(Context *, IntArray **);
    void *tensors, *impl, *ResizeTensor;
    void (*ReportError)(Context *, const char *, ...);
    void *AddTensors;
    int (*GetNodeAndRegistration)(Context *, int, void **, Registration **);
    int (*ReplaceNodeSubsetsWithDelegateKernels)(Context *, Registration, const IntArray *,
                                                 Delegate *);
};

struct Delegate {
    void *data;
    int (*Prepare)(Context *, Delegate *);
    void *CopyFromBufferHandle, *CopyToBufferHandle, *FreeBufferHandle;
    int64_t flags;
    void *opaque_delegate_builder;
};

#define EXPORT __attribute__((visibility("default")))

static bool is(const char *behaviour, const char *word) {
    return strcmp(behaviour, word) == 0;
}

#ifdef ENGINE

typedef struct {
    Registration registration;
    int first, count; /* operations that it stands for */
} Node;

typedef struct {
    void *user;
    void (*report)(void *, const char *, va_list);
    Delegate *delegate;
    int threads;
} Options;

typedef struct {
    const char *name;
    int rank, dims[8];
    char *data;
} Tensor;

typedef struct {
    Context context;
    Options options;
    Node nodes[2 * NODES];
    int used; /* nodes */
    IntArray plan;
    Tensor input, output, other;
    bool defaults_applied;
    Delegate *opaque;
    int runs;
} Interpreter;

static char behaviour[40] = BEHAVIOUR;

EXPORT const char *fake_tflite_behaviour(void) {
    return behaviour;
}

static bool quantised(void) {
    return is(behaviour, "quantised");
}

static void report(Interpreter *self, const char *format, ...) {
    va_list values;
    va_start(values, format);
    if (self->options.report != NULL) {
        self->options.report(self->options.user, format, values);
    }
    va_end(values);
}

static void context_report(Context *context, const char *format, ...) {
    Interpreter *self = context->impl;
    va_list values;
    va_start(values, format);
    if (self->options.report != NULL) {
        self->options.report(self->options.user, format, values);
    }
    va_end(values);
}

static int get_plan(Context *context, IntArray **plan) {
    *plan = &((Interpreter *)context->impl)->plan;
    return OK;
}

static int get_node(Context *context, int index, void **node, Registration **registration) {
    Interpreter *self = context->impl;
    *node = &self->nodes[index];
    *registration = &self->nodes[index].registration;
    return OK;
}

static bool contains(const IntArray *list, int value) {
    for (int i = 0; i < list->size; i++) {
        if (list->data[i] == value) {
            return true;
        }
    }
    return false;
}

/* Neighbours in the plan become one kernel. */
static int replace(Context *context, Registration registration, const IntArray *taken,
                   Delegate *delegate) {
    Interpreter *self = context->impl;
    IntArray plan = {0, {0}};
    int partitions = 0;
    bool inside = false, before = false;
    (void)delegate;
    if (taken->size == 0) {
        return OK;
    }
    registration.builtin_code = BUILTIN_DELEGATE;
    for (int i = 0; i < self->plan.size; i++) {
        int index = self->plan.data[i];
        inside = contains(taken, index);
        partitions += i == 0 || inside != before;
        if (!inside) {
            plan.data[plan.size++] = index;
        } else if (i == 0 || !before) {
            self->nodes[self->used].registration = registration;
            plan.data[plan.size++] = self->used++;
        }
        before = inside;
    }
    fprintf(stderr,
            "VERBOSE: Replacing %d out of %d node(s) with delegate (%s) node, yielding %d "
            "partitions for subgraph 0 (main).\n",
            taken->size, self->plan.size, registration.custom_name, partitions);
    self->plan = plan;
    return OK;
}

static void restore(Interpreter *self) {
    self->used = NODES;
    self->plan.size = NODES;
    self->opaque = NULL;
    for (int i = 0; i < NODES; i++) {
        self->nodes[i].registration = (Registration){.builtin_code = 3 /* CONV_2D */};
        self->plan.data[i] = i;
    }
}

static int modify(Interpreter *self, Delegate *delegate) {
    if (delegate->Prepare == NULL) {
        self->opaque = delegate;
        return OK;
    }
    if (delegate->Prepare(&self->context, delegate) == OK) {
        return OK;
    }
    restore(self);
    report(self, "Restored original execution plan after delegate application failure.");
    return DELEGATE_ERROR;
}

static int xnnpack_prepare(Context *context, Delegate *delegate) {
    Interpreter *self = context->impl;
    IntArray taken = {0, {0}};
    if (is(behaviour, "taken_back") && self->plan.size < NODES) {
        return ERROR;
    }
    for (int i = 0; i < self->plan.size; i++) {
        int index = self->plan.data[i];
        /* It can't take what a delegate has, and not the last operation of the graph. */
        if (self->nodes[index].registration.builtin_code != BUILTIN_DELEGATE &&
            index != NODES - 1) {
            taken.data[taken.size++] = index;
        }
    }
    Registration kernel = {.custom_name = "TfLiteXNNPackDelegate", .version = 1};
    return context->ReplaceNodeSubsetsWithDelegateKernels(context, kernel, &taken, delegate);
}

struct xnnpack_options {
    int32_t threads;
    uint32_t flags;
    void *weights_cache;
    bool variable_operators;
};

EXPORT struct xnnpack_options TfLiteXNNPackDelegateOptionsDefault(void) {
    return (struct xnnpack_options){0, 11, NULL, false};
}

EXPORT Delegate *TfLiteXNNPackDelegateCreate(const struct xnnpack_options *options) {
    Delegate *delegate = calloc(1, sizeof *delegate);
    if (options->flags != 11 || options->threads < 1) {
        return NULL; /* the defaults did not arrive whole */
    }
    fputs("INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n", stderr);
    delegate->Prepare = xnnpack_prepare;
    return delegate;
}

EXPORT const char *TfLiteVersion(void) {
    return is(behaviour, "old") ? "2.5.0" : "2.16.1";
}

EXPORT void *TfLiteModelCreateFromFile(const char *path) {
    static const char MARK[] = "fake-tflite:";
    FILE *file = fopen(path, "rb");
    char *bytes = calloc(1, 1 << 20);
    size_t size = file == NULL ? 0 : fread(bytes, 1, (1 << 20) - 1, file);
    if (file != NULL) {
        fclose(file);
    }
    if (size < 20 || memcmp(bytes + 4, "TFL3", 4) != 0) {
        fputs("ERROR: The model is not a valid Flatbuffer buffer\n", stderr);
        return NULL;
    }
    for (size_t i = 0; i + sizeof MARK < size; i++) {
        if (memcmp(bytes + i, MARK, sizeof MARK - 1) == 0) {
            sscanf(bytes + i + sizeof MARK - 1, "%39[a-z_]", behaviour);
        }
    }
    return bytes;
}

EXPORT void *TfLiteInterpreterOptionsCreate(void) {
    return calloc(1, sizeof(Options));
}

EXPORT void TfLiteInterpreterOptionsSetNumThreads(Options *options, int32_t threads) {
    options->threads = threads;
}

EXPORT void TfLiteInterpreterOptionsSetErrorReporter(Options *options,
                                                     void (*report)(void *, const char *, va_list),
                                                     void *user) {
    options->report = report;
    options->user = user;
}

EXPORT void TfLiteInterpreterOptionsAddDelegate(Options *options, Delegate *delegate) {
    options->delegate = delegate;
}

EXPORT void *TfLiteInterpreterCreate(void *model, Options *options) {
    static const int SHAPE[4] = {1, 8, 8, 3};
    Interpreter *self = calloc(1, sizeof *self);
    (void)model;
    self->options = *options;
    self->context = (Context){.GetExecutionPlan = get_plan,
                              .impl = self,
                              .ReportError = context_report,
                              .GetNodeAndRegistration = get_node,
                              .ReplaceNodeSubsetsWithDelegateKernels = replace};
    self->input.name = "image";
    self->output.name = "bokeh";
    self->input.rank = self->output.rank = 4;
    memcpy(self->input.dims, SHAPE, sizeof SHAPE);
    memcpy(self->output.dims, SHAPE, sizeof SHAPE);
    restore(self);
    return options->delegate != NULL && modify(self, options->delegate) != OK ? NULL : self;
}

EXPORT int32_t TfLiteInterpreterGetInputTensorCount(Interpreter *self) {
    (void)self;
    return 1;
}

EXPORT int32_t TfLiteInterpreterGetOutputTensorCount(Interpreter *self) {
    (void)self;
    return 1;
}

EXPORT Tensor *TfLiteInterpreterGetInputTensor(Interpreter *self, int32_t index) {
    (void)index;
    return &self->input;
}

EXPORT Tensor *TfLiteInterpreterGetOutputTensor(Interpreter *self, int32_t index) {
    (void)index;
    return &self->output;
}

EXPORT size_t TfLiteTensorByteSize(const Tensor *tensor) {
    size_t elements = 1;
    for (int i = 0; i < tensor->rank; i++) {
        elements *= (size_t)tensor->dims[i];
    }
    return quantised() ? elements : elements * sizeof(float);
}

EXPORT int TfLiteInterpreterResizeInputTensor(Interpreter *self, int32_t index, const int *dims,
                                              int32_t rank) {
    (void)index;
    if (rank != 4 || dims[3] != 3) {
        report(self, "a convolution takes 3 channels");
        return ERROR;
    }
    memcpy(self->input.dims, dims, sizeof(int) * 4);
    memcpy(self->output.dims, dims, sizeof(int) * 4);
    return OK;
}

EXPORT int TfLiteInterpreterAllocateTensors(Interpreter *self) {
    self->input.data = realloc(self->input.data, TfLiteTensorByteSize(&self->input));
    self->output.data = realloc(self->output.data, TfLiteTensorByteSize(&self->output));
    bool left = self->opaque == NULL;
    for (int i = 0; left && i < self->plan.size; i++) {
        left = false;
        for (int j = 0; j < self->plan.size; j++) {
            left = left || self->nodes[self->plan.data[j]].registration.builtin_code !=
                               BUILTIN_DELEGATE;
        }
    }
    if (left && (!self->defaults_applied || is(behaviour, "stubborn"))) {
        self->defaults_applied = true;
        struct xnnpack_options options = TfLiteXNNPackDelegateOptionsDefault();
        options.threads = self->options.threads;
        modify(self, TfLiteXNNPackDelegateCreate(&options)); /* what it says is passed over */
    }
    return OK;
}

static bool on_gpu(const Interpreter *self) {
    for (int i = 0; i < self->plan.size; i++) {
        const char *name = self->nodes[self->plan.data[i]].registration.custom_name;
        if (name != NULL && strcmp(name, "TfLiteGpuDelegateV2") == 0) {
            return true;
        }
    }
    return self->opaque != NULL;
}

EXPORT int TfLiteInterpreterInvoke(Interpreter *self) {
    size_t size = TfLiteTensorByteSize(&self->input);
    bool gpu = on_gpu(self);
    self->runs++;
    if (gpu && is(behaviour, "run_crash") && self->runs == 3) {
        *(volatile int *)0 = 1;
    }
    if (gpu && is(behaviour, "run_fail") && self->runs == 3) {
        report(self, "TfLiteGpuDelegate Invoke: Failed to clEnqueueNDRangeKernel - Out of resources");
        return ERROR;
    }
    if (quantised()) {
        memcpy(self->output.data, self->input.data, size);
        return OK;
    }
    const float *in = (const float *)(const void *)self->input.data;
    float *out = (float *)(void *)self->output.data;
    for (size_t i = 0; i < size / sizeof *in; i++) {
        out[i] = in[i] / 2 + 0.25f;
        if (gpu && is(behaviour, "wrong")) {
            out[i] = 1 - out[i];
        }
        if (gpu && is(behaviour, "nan")) {
            out[i] = 0.0f / (in[i] - in[i]);
        }
    }
    return OK;
}

EXPORT int TfLiteTensorType(const Tensor *tensor) {
    (void)tensor;
    return quantised() ? 9 : 1;
}

EXPORT int32_t TfLiteTensorNumDims(const Tensor *tensor) {
    return tensor->rank;
}

EXPORT int32_t TfLiteTensorDim(const Tensor *tensor, int32_t index) {
    return tensor->dims[index];
}

EXPORT void *TfLiteTensorData(const Tensor *tensor) {
    bool out = strcmp(tensor->name, "bokeh") == 0;
    return out && is(behaviour, "dynamic") ? NULL : tensor->data;
}

EXPORT const char *TfLiteTensorName(const Tensor *tensor) {
    return tensor->name;
}

struct quantisation {
    float scale;
    int32_t zero;
};

EXPORT struct quantisation TfLiteTensorQuantizationParams(const Tensor *tensor) {
    (void)tensor;
    return quantised() ? (struct quantisation){1.0f / 255, -128} : (struct quantisation){0, 0};
}

#ifndef OLD

EXPORT int TfLiteInterpreterModifyGraphWithDelegate(Interpreter *self, Delegate *delegate) {
    return modify(self, delegate);
}

EXPORT int32_t TfLiteInterpreterGetSignatureCount(Interpreter *self) {
    (void)self;
    return 1;
}

EXPORT const char *TfLiteInterpreterGetSignatureKey(Interpreter *self, int32_t index) {
    (void)self;
    return index == 0 ? "serving_default" : NULL;
}

EXPORT void *TfLiteInterpreterGetSignatureRunner(Interpreter *self, const char *key) {
    return key != NULL && strcmp(key, "serving_default") == 0 ? self : NULL;
}

EXPORT size_t TfLiteSignatureRunnerGetInputCount(Interpreter *self) {
    (void)self;
    return 1;
}

EXPORT const char *TfLiteSignatureRunnerGetInputName(Interpreter *self, int32_t index) {
    (void)self;
    (void)index;
    return "image";
}

EXPORT Tensor *TfLiteSignatureRunnerGetInputTensor(Interpreter *self, const char *name) {
    (void)name;
    return is(behaviour, "other_graph") ? &self->other : &self->input;
}

#endif

#else /* the GPU delegate */

enum { QUANT = 1, CL_ONLY = 2, GL_ONLY = 4, SERIALIZATION = 8 };

typedef struct {
    int32_t precision_loss_allowed, preference, priority[3];
    int64_t flags;
    int32_t max_partitions;
    const char *serialization_dir, *model_token;
} GpuOptions;

typedef struct {
    Delegate delegate;
    GpuOptions options;
    const char *behaviour;
} Gpu;

static bool file_there(const char *path) {
    return access(path, R_OK) == 0;
}

static int set_up_opencl(Context *context, const Gpu *gpu) {
    const char *with = "";
    if (is(gpu->behaviour, "opengl") || is(gpu->behaviour, "no_gpu")) {
        context->ReportError(context, "Can not open OpenCL library on this device - dlopen failed: "
                                      "library \"libOpenCL.so\" not found");
        return ERROR;
    }
    if ((gpu->options.flags & SERIALIZATION) != 0) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s_%u.bin", gpu->options.serialization_dir,
                 gpu->options.model_token, 42u);
        if (file_there(path) && !is(gpu->behaviour, "stale_cache")) {
            fprintf(stderr, "INFO: Found serialized data for model %s (6 B) at %s\n",
                    gpu->options.model_token, path);
            with = " from serialized data";
        } else {
            FILE *file = fopen(path, "wb");
            if (file == NULL || fputs("kernel", file) < 0 || fclose(file) != 0) {
                context->ReportError(context, "Failed to open for writing: %s", path);
                return ERROR;
            }
        }
    }
    fprintf(stderr, "INFO: Initialized OpenCL-based API%s.\n", with);
    return OK;
}

static int set_up_opengl(Context *context, const Gpu *gpu) {
    if (is(gpu->behaviour, "no_gpu")) {
        context->ReportError(context, "TfLiteGpuDelegate Init: No EGL error, but eglChooseConfig "
                                      "failed");
        return ERROR;
    }
    fputs("INFO: Initialized OpenGL-based API.\n", stderr);
    return OK;
}

static int set_up(Context *context, const Gpu *gpu) {
    if (is(gpu->behaviour, "unforced") || (gpu->options.flags & GL_ONLY) != 0) {
        return set_up_opengl(context, gpu);
    }
    int status = set_up_opencl(context, gpu);
    if (status != OK && (gpu->options.flags & CL_ONLY) == 0) {
        context->ReportError(context, "Falling back to OpenGL");
        status = set_up_opengl(context, gpu);
    }
    return status;
}

static int gpu_prepare(Context *context, Delegate *delegate) {
    const Gpu *gpu = (const Gpu *)(const void *)delegate;
    Registration kernel = {.custom_name = "TfLiteGpuDelegateV2", .version = 1};
    IntArray taken = {0, {0}};
    bool partial = is(gpu->behaviour, "partial") || is(gpu->behaviour, "taken_back");
    if (is(gpu->behaviour, "crash")) {
        *(volatile int *)0 = 1;
    }
    while (is(gpu->behaviour, "hang")) {
        sleep(1);
    }
    if (is(gpu->behaviour, "refuse")) {
        context->ReportError(context, "TfLiteGpuDelegate Init: CONCATENATION: Expected a 4D tensor "
                                      "of shape BxHxWxC but got 1x256");
        return ERROR;
    }
    for (int i = 0; i < NODES && !is(gpu->behaviour, "reject"); i++) {
        bool first = i < 12, second = i >= 20 && i < 28;
        if (!partial || first || (second && gpu->options.max_partitions > 1)) {
            taken.data[taken.size++] = i;
        }
    }
    if (taken.size < NODES) {
        char split[200];
        snprintf(split, sizeof split,
                 taken.size == 0 ? "No operations will run on the GPU, and all %d operations will "
                                   "run on the CPU."
                                 : "%d operations will run on the GPU, and the remaining %d "
                                   "operations will run on the CPU.",
                 taken.size == 0 ? NODES : taken.size, NODES - taken.size);
        context->ReportError(context,
                             "Following operations are not supported by GPU delegate:\n"
                             "GATHER: Operation is not supported.\n"
                             "RESIZE_BILINEAR: Max version supported: 3. Requested version 4.\n"
                             "%s",
                             split);
    }
    int status = context->ReplaceNodeSubsetsWithDelegateKernels(context, kernel, &taken, delegate);
    if (status == OK && taken.size > 0) {
        status = set_up(context, gpu);
    }
    fprintf(stderr, "INFO: Created %d GPU delegate kernels.\n", taken.size > 12 && partial ? 2 : 1);
    return status;
}

EXPORT GpuOptions TfLiteGpuDelegateOptionsV2Default(void) {
    return (GpuOptions){-1, 0, {1, 0, 0}, QUANT, 1, NULL, NULL};
}

EXPORT Delegate *TfLiteGpuDelegateV2Create(const GpuOptions *options) {
    const char *(*told)(void);
    Gpu *gpu = calloc(1, sizeof *gpu);
    void *symbol = dlsym(RTLD_DEFAULT, "fake_tflite_behaviour");
    memcpy(&told, &symbol, sizeof told);
    gpu->behaviour = symbol == NULL ? "ok" : told();
    gpu->options = *options;
    if (is(gpu->behaviour, "opaque")) {
        gpu->delegate.opaque_delegate_builder = gpu;
        return &gpu->delegate;
    }
    fprintf(stderr,
            "INFO: Created TensorFlow Lite delegate for GPU.\n"
            "INFO: fake options of the delegate: %d %d %d%d%d %lld %d\n",
            (int)options->precision_loss_allowed, (int)options->preference,
            (int)options->priority[0], (int)options->priority[1], (int)options->priority[2],
            (long long)options->flags, (int)options->max_partitions);
    gpu->delegate.Prepare = gpu_prepare;
    return &gpu->delegate;
}

#endif
