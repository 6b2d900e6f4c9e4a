/* The engine's own output while it loads: into a file of the work folder, then to stderr. */
#ifndef BOKEHBENCH_ENGINE_LOG_H
#define BOKEHBENCH_ENGINE_LOG_H

#include "failure.h"

enum { MAX_ENGINE_LOG = 256 * 1024 };

struct engine_log {
    int folder;
    int file;
    int saved_stdout;
    int saved_stderr;
    char *text; /* of at most MAX_ENGINE_LOG bytes, after engine_log_end */
    size_t length;
};

bool engine_log_begin(int folder, struct engine_log *log, struct failure *failure);
/* Restores both streams, copies the log to stderr and removes the file. */
bool engine_log_end(struct engine_log *log, struct failure *failure);
void engine_log_free(struct engine_log *log);

#endif
