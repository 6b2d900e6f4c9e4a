#include "library.h"

/* What only the linker can find. */
static bool is_name(const char *path) {
    return strchr(path, '/') == NULL || strstr(path, "!/") != NULL;
}

/* `library "X" not found` (Android), `X: cannot open shared object file: No such file` (glibc); of
 * a library that X needs, Android adds by whom and glibc gives its name. */
static bool tells_missing(const char *reason, const char *path) {
    const char *at = strstr(reason, path);
    return at != NULL && strstr(reason, "needed by") == NULL &&
           (strstr(at, "not found") != NULL || strstr(at, "No such file") != NULL);
}

bool library_open(const char *path, void **library, struct failure *failure) {
    int fd = is_name(path) ? -1 : openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && !is_name(path)) {
        return fail(failure, FAILURE_ENGINE_MISSING, "%s: %s", path, strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
    /* Global: accelerator libraries look for the engine's functions. */
    *library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    if (*library == NULL) {
        const char *reason = dlerror();
        reason = reason == NULL ? "dlopen failed" : reason;
        bool missing = is_name(path) && tells_missing(reason, path);
        return fail(failure, missing ? FAILURE_ENGINE_MISSING : FAILURE_ENGINE_UNSUPPORTED, "%s",
                    reason);
    }
    return true;
}

bool library_bind(void *library, const char *name, void *function) {
    /* dlsym gives an object pointer; ISO C wants the bytes copied into the function pointer. */
    void *symbol = dlsym(library, name);
    memcpy(function, &symbol, sizeof symbol);
    return symbol != NULL;
}

void missing_note(struct missing *missing, const char *name) {
    static const char MORE[] = " ...";
    size_t used = strlen(missing->names);
    size_t room = sizeof missing->names - used;
    if (strlen(name) + sizeof MORE + 1 < room) {
        snprintf(missing->names + used, room, "%s%s", used == 0 ? "" : " ", name);
    } else if (used < sizeof MORE || strcmp(missing->names + used - sizeof MORE + 1, MORE) != 0) {
        snprintf(missing->names + used, room, "%s", MORE);
    }
}
