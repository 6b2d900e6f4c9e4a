#include "litert_abi.h"

/* dlsym gives an object pointer; ISO C wants the bytes copied into the function pointer. */
static bool bind(void *library, const char *name, void *function) {
    void *symbol = dlsym(library, name);
    memcpy(function, &symbol, sizeof symbol);
    return symbol != NULL;
}

static void note_missing(const char *name, char *missing, size_t size) {
    size_t used = strlen(missing);
    snprintf(missing + used, size - used, "%s%s", used == 0 ? "" : " ", name);
}

static bool open_library(const char *path, void **library, struct failure *failure) {
    int fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return fail(failure, FAILURE_ENGINE_MISSING, "%s: %s", path, strerror(errno));
    }
    close(fd);
    /* Global: accelerator libraries look for the engine's functions. */
    *library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    if (*library == NULL) {
        const char *reason = dlerror();
        return fail(failure, FAILURE_ENGINE_UNSUPPORTED, "%s",
                    reason == NULL ? "dlopen failed" : reason);
    }
    return true;
}

bool litert_bind(const char *path, struct litert_api *api, struct failure *failure) {
    void *library;
    char missing[600] = "";
    memset(api, 0, sizeof *api);
    if (!open_library(path, &library, failure)) {
        return false;
    }
#define X(name, parameters)                                                                    \
    if (!bind(library, "LiteRt" #name, &api->name)) {                                          \
        note_missing("LiteRt" #name, missing, sizeof missing);                                 \
    }
    LITERT_REQUIRED(X)
#undef X
#define X(name, parameters) bind(library, "LiteRt" #name, &api->name);
    LITERT_OPTIONAL(X)
#undef X
    bool new_model = dlsym(library, "LiteRtCreateModelFromFd") != NULL;
    if (new_model ? !bind(library, "LiteRtCreateModelFromFile", &api->CreateModelFromFile)
                  : !bind(library, "LiteRtCreateModelFromFile", &api->CreateModelFromFileOld)) {
        note_missing("LiteRtCreateModelFromFile", missing, sizeof missing);
    }
    if (missing[0] != '\0') {
        return fail(failure, FAILURE_ENGINE_UNSUPPORTED, "%s lacks %s", path, missing);
    }
    if (dlsym(library, "LiteRtCreateCpuOptions") != NULL) {
        return fail(failure, FAILURE_ENGINE_UNSUPPORTED,
                    "%s is LiteRT 2.1.0 to 2.1.2 (it has LiteRtCreateCpuOptions), which reads "
                    "options as structs: use 2.1.3 or later",
                    path);
    }
    api->generation = api->CompiledModelIsNonCpuFullyAccelerated != NULL ? "litert-2.3.0"
                      : new_model                                        ? "litert-2.1.6"
                                                                         : "litert-2.1.3";
    return true;
}
