#include "library.h"
#include "tflite_abi.h"

bool tflite_bind(const char *path, struct tflite_api *api, struct failure *failure) {
    struct missing missing = {""};
    memset(api, 0, sizeof *api);
    if (!library_open(path, &api->library, failure)) {
        return false;
    }
#define X(name, value, parameters)                                                             \
    if (!library_bind(api->library, "TfLite" #name, &api->name)) {                             \
        missing_note(&missing, "TfLite" #name);                                                \
    }
    TFLITE_REQUIRED(X)
#undef X
#define X(name, value, parameters) library_bind(api->library, "TfLite" #name, &api->name);
    TFLITE_OPTIONAL(X)
#undef X
    if (missing.names[0] != '\0') {
        return fail(failure, FAILURE_ENGINE_UNSUPPORTED, "%s lacks %s", path, missing.names);
    }
    const char *version = api->Version();
    snprintf(api->generation, sizeof api->generation, "tflite-%s",
             version == NULL ? "unknown" : version);
    return true;
}

static bool bind(struct tflite_api *api, void *library, struct missing *missing) {
    missing->names[0] = '\0';
    if (!library_bind(library, "TfLiteGpuDelegateV2Create", &api->GpuDelegateV2Create)) {
        missing_note(missing, "TfLiteGpuDelegateV2Create");
    }
    if (!library_bind(library, "TfLiteGpuDelegateOptionsV2Default",
                      &api->GpuDelegateOptionsV2Default)) {
        missing_note(missing, "TfLiteGpuDelegateOptionsV2Default");
    }
    return missing->names[0] == '\0';
}

bool tflite_bind_gpu(struct tflite_api *api, const char *folder, struct failure *failure) {
    /* In the AAR tensorflow-lite-gpu, and as the CMake and Bazel builds of TFLite name it. */
    static const char *const FILES[] = {"libtensorflowlite_gpu_jni.so",
                                        "libtensorflowlite_gpu_delegate.so", NULL};
    struct missing missing;
    if (bind(api, api->library, &missing)) {
        return true;
    }
    for (const char *const *file = FILES; *file != NULL; file++) {
        void *library = NULL;
        size_t size = strlen(folder) + strlen(*file) + 2;
        char *path = malloc(size);
        if (path == NULL) {
            return fail_memory(failure, size, "a path");
        }
        snprintf(path, size, "%s/%s", folder, *file);
        bool opened = library_open(path, &library, failure);
        if (opened && !bind(api, library, &missing)) {
            fail(failure, FAILURE_BACKEND_UNAVAILABLE, "%s lacks %s", path, missing.names);
        }
        free(path);
        if (opened || failure->code != FAILURE_ENGINE_MISSING) {
            /* A driver library that is not there, for one: the engine itself is sound. */
            failure->code = failure->code == FAILURE_NONE ? FAILURE_NONE
                                                          : FAILURE_BACKEND_UNAVAILABLE;
            return failure->code == FAILURE_NONE;
        }
        memset(failure, 0, sizeof *failure);
    }
    return fail(failure, FAILURE_BACKEND_UNAVAILABLE,
                "no GPU delegate: the engine's library lacks %s, and %s has no %s", missing.names,
                folder, FILES[0]);
}
