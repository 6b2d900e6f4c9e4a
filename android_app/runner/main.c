/* The runner as a program: one process, one backend, one trial (docs/protocol.md). */
#include "runner.h"

int main(int count, char **words) {
    static const struct engine *const ENGINES[] = {&ENGINE_LITERT, &ENGINE_TFLITE, NULL};
    /* Libraries print to standard output: they get standard error instead. */
    int events_fd = dup(1);
    if (events_fd < 0 || dup2(2, 1) < 0) {
        return failure_exit(FAILURE_IO_ERROR);
    }
    /* With the reader gone, writes fail instead: lost events end the trial with an exit code, a
     * lost log line does no harm. */
    (void)signal(SIGPIPE, SIG_IGN);
    /* Not `return`: a driver that crashes in its destructors would turn a finished trial into a
     * failed one. */
    _exit(runner_run(count, words, events_fd, ENGINES));
}
