/* Which libraries the app can load, and which files that brought into memory. */
#ifndef BOKEHBENCH_PROBE_H
#define BOKEHBENCH_PROBE_H

#include "libc_app.h"

/* Sends a `library` line a name, then `probed`. */
void probe(char *const *names, size_t count);

#endif
