/* One trial from argv to exit code; events go to `events_fd`. */
#ifndef BOKEHBENCH_RUNNER_H
#define BOKEHBENCH_RUNNER_H

#include "engine.h"

/* `engines` ends with NULL. Returns the exit code; the engine stays loaded. */
int runner_run(int count, char **words, int events_fd, const struct engine *const *engines);

#endif
