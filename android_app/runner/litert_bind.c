#include "library.h"
#include "litert_abi.h"

bool litert_bind(const char *path, struct litert_api *api, struct failure *failure) {
    void *library;
    struct missing missing = {""};
    memset(api, 0, sizeof *api);
    if (!library_open(path, &library, failure)) {
        return false;
    }
#define X(name, parameters)                                                                    \
    if (!library_bind(library, "LiteRt" #name, &api->name)) {                                  \
        missing_note(&missing, "LiteRt" #name);                                                \
    }
    LITERT_REQUIRED(X)
#undef X
#define X(name, parameters) library_bind(library, "LiteRt" #name, &api->name);
    LITERT_OPTIONAL(X)
#undef X
    bool new_model = dlsym(library, "LiteRtCreateModelFromFd") != NULL;
    static const char CREATE[] = "LiteRtCreateModelFromFile";
    if (new_model ? !library_bind(library, CREATE, &api->CreateModelFromFile)
                  : !library_bind(library, CREATE, &api->CreateModelFromFileOld)) {
        missing_note(&missing, CREATE);
    }
    if (missing.names[0] != '\0') {
        return fail(failure, FAILURE_ENGINE_UNSUPPORTED, "%s lacks %s", path, missing.names);
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
