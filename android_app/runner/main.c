/* The runner as a program: one process, one backend, one trial (docs/protocol.md). */
#include "process.h"
#include "runner.h"

int main(int count, char **words) {
    /* Libraries print to standard output: they get standard error instead. */
    int events_fd = dup(1);
    if (events_fd < 0 || dup2(2, 1) < 0) {
        return failure_exit(FAILURE_IO_ERROR);
    }
    /* With the reader gone, writes fail instead: lost events end the trial with an exit code, a
     * lost log line does no harm. */
    (void)signal(SIGPIPE, SIG_IGN);
    end_with_parent();
    const struct surroundings shell = {events_fd, arm_deadline, NULL};
    /* Not `return`: a driver that crashes in its destructors would turn a finished trial into a
     * failed one. */
    _exit(runner_run(count, words, &shell, RUNNER_ENGINES));
}
