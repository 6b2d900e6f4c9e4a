#include "library.h"

bool library_open(const char *path, void **library, struct failure *failure) {
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
