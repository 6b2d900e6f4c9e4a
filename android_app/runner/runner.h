/* One trial from argv to exit code: the same in the shell's program and in a thread of the app. */
#ifndef BOKEHBENCH_RUNNER_H
#define BOKEHBENCH_RUNNER_H

#include <stdatomic.h>

#include "engine.h"

/* What differs between the two. */
struct surroundings {
    int events_fd;
    /* Has the trial ended, whatever it is doing, when now_ns() gets there. Called again after
     * foreign code was loaded, which may have taken a signal or a timer for itself. */
    bool (*arm_deadline)(uint64_t deadline_ns, struct failure *failure);
    /* Once it is true no invocation begins, and the trial ends as `stopped`. NULL: never. */
    const atomic_bool *stop;
};

/* All that is built in; ends with NULL. */
extern const struct engine *const RUNNER_ENGINES[];

/* `engines` ends with NULL. Returns the exit code and ends nothing; the engine stays loaded. */
int runner_run(int count, char **words, const struct surroundings *surroundings,
               const struct engine *const *engines);

#endif
