/* The part of LiteRT's C interface that the runner calls, declared anew.
 *
 * Source: the public headers litert/c/ of google-ai-edge/LiteRT 2.1.3 to 2.3.0. Handles are
 * opaque pointers, a status is an int, an index a size_t. The library is opened at run time, so
 * a mistake here shows as a crash and not at link time: the sizes are asserted below.
 */
#ifndef BOKEHBENCH_LITERT_ABI_H
#define BOKEHBENCH_LITERT_ABI_H

#include "failure.h"

enum litert_status {
    LITERT_OK = 0,
    LITERT_INVALID_ARGUMENT = 1,
    LITERT_OUT_OF_MEMORY = 2,
    LITERT_FILE_IO = 500,
    LITERT_INVALID_FLATBUFFER = 501,
    LITERT_COMPILATION = 504,
};

enum litert_accelerator { LITERT_CPU = 1, LITERT_GPU = 2 };
enum litert_lock { LITERT_LOCK_READ = 0, LITERT_LOCK_WRITE = 1 };
enum litert_any_type { LITERT_ANY_INT = 2, LITERT_ANY_STRING = 8 };
enum litert_environment_tag { LITERT_TAG_LIBRARY_FOLDER = 22, LITERT_TAG_LOG_SEVERITY = 25 };

struct litert_layout {
    unsigned rank : 7;
    unsigned has_strides : 1;
    int32_t dimensions[8];
    uint32_t strides[8];
};

struct litert_tensor_type {
    int32_t element_type;
    struct litert_layout layout;
};

struct litert_any {
    int type;
    union {
        int64_t integer;
        const char *string;
        double real;
    } value;
};

struct litert_environment_option {
    int tag;
    struct litert_any value;
};

_Static_assert(sizeof(struct litert_layout) == 68, "LiteRtLayout");
_Static_assert(sizeof(struct litert_tensor_type) == 72, "LiteRtRankedTensorType");
_Static_assert(sizeof(struct litert_environment_option) == 24, "LiteRtEnvOption (LP64)");

/* Member, parameters. All return a status. */
#define LITERT_REQUIRED(X)                                                                     \
    X(CreateEnvironment, (int, const struct litert_environment_option *, void **))             \
    X(CreateOptions, (void **))                                                                \
    X(SetOptionsHardwareAccelerators, (void *, int))                                           \
    X(CreateOpaqueOptions, (const char *, void *, void (*)(void *), void **))                  \
    X(AddOpaqueOptions, (void *, void *))                                                      \
    X(CreateCompiledModel, (void *, void *, void *, void **))                                  \
    X(GetNumModelSignatures, (void *, size_t *))                                               \
    X(GetModelSignature, (void *, size_t, void **))                                            \
    X(GetNumSignatureInputs, (void *, size_t *))                                               \
    X(GetNumSignatureOutputs, (void *, size_t *))                                              \
    X(GetSignatureInputName, (void *, size_t, const char **))                                  \
    X(GetSignatureOutputName, (void *, size_t, const char **))                                 \
    X(GetSignatureInputTensorByIndex, (void *, size_t, void **))                               \
    X(GetSignatureOutputTensorByIndex, (void *, size_t, void **))                              \
    X(GetRankedTensorType, (void *, struct litert_tensor_type *))                              \
    X(CompiledModelResizeInputTensor, (void *, size_t, size_t, const int *, size_t))           \
    X(CompiledModelResizeInputTensorNonStrict, (void *, size_t, size_t, const int *, size_t))  \
    X(GetCompiledModelInputTensorLayout, (void *, size_t, size_t, struct litert_layout *))     \
    X(GetCompiledModelOutputTensorLayouts,                                                     \
      (void *, size_t, size_t, struct litert_layout *, bool))                                  \
    X(GetCompiledModelInputBufferRequirements, (void *, size_t, size_t, void **))              \
    X(GetCompiledModelOutputBufferRequirements, (void *, size_t, size_t, void **))             \
    X(CreateManagedTensorBufferFromRequirements,                                               \
      (void *, const struct litert_tensor_type *, void *, void **))                            \
    X(GetTensorBufferPackedSize, (void *, size_t *))                                           \
    X(LockTensorBuffer, (void *, void **, int))                                                \
    X(UnlockTensorBuffer, (void *))                                                            \
    X(RunCompiledModel, (void *, size_t, size_t, void **, size_t, void **))                    \
    X(CompiledModelIsFullyAccelerated, (void *, bool *))

#define LITERT_OPTIONAL(X) X(CompiledModelIsNonCpuFullyAccelerated, (void *, bool *))

struct litert_api {
#define X(name, parameters) int(*name) parameters;
    LITERT_REQUIRED(X)
    LITERT_OPTIONAL(X)
#undef X
    /* Since 2.1.6 the first argument is the environment: one of the two is set. */
    int (*CreateModelFromFile)(void *environment, const char *path, void **model);
    int (*CreateModelFromFileOld)(const char *path, void **model);
    const char *generation; /* "litert-2.3.0": the oldest version with this interface */
};

/* Opens the library and binds it, or refuses it by its generation. */
bool litert_bind(const char *library, struct litert_api *api, struct failure *failure);

#endif
