/* A shared library opened by its path, and its functions found by name. */
#ifndef BOKEHBENCH_LIBRARY_H
#define BOKEHBENCH_LIBRARY_H

#include "failure.h"

/* Names of functions that a library lacks, for a message. */
struct missing {
    char names[600];
};

/* `engine_missing` when there is no such file, `engine_unsupported` when it can't be loaded.
 * `path` may also be a name that the linker looks for, or one inside an APK (`/x.apk!/lib/x.so`). */
bool library_open(const char *path, void **library, struct failure *failure);

/* `function` is the address of a function pointer; it becomes NULL when the name is not there. */
bool library_bind(void *library, const char *name, void *function);

void missing_note(struct missing *missing, const char *name);

#endif
