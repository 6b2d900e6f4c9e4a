/* What the process can say of itself: name, group, how willingly the system ends it, libraries. */
#ifndef BOKEHBENCH_SELF_H
#define BOKEHBENCH_SELF_H

#include "libc_app.h"

enum { MAX_PROCESS_NAME = 96 };

/* The whole of a file of /proc, which tells no size; NULL: it can't be read. The caller frees it. */
char *self_read(const char *path);

/* Of /proc/self/cmdline: on Android that of the app's package. */
bool self_name(char name[MAX_PROCESS_NAME]);

/* The file that this code came from, as the linker names it, or NULL. */
const char *self_library(void);

#endif
