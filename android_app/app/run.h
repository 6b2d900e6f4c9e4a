/* The one trial of this process: the runner in a thread of its own, its events in a pipe. */
#ifndef BOKEHBENCH_RUN_H
#define BOKEHBENCH_RUN_H

#include "libc_app.h"

/* Begins the trial; `wake` gets a byte when the control thread should look again, and `log` is what
 * fds 1 and 2 become. The words are copied. False: errno says why not. */
bool run_begin(char *const *words, size_t count, int log, int wake);

/* The pipe's end to read events from; -1: there is none, or not any more. */
int run_events(void);
void run_close_events(void);

/* No invocation begins any more. */
void run_stop(void);

/* The process ends that much later, whatever it does then; 0: it does not. Not during a run, which
 * has an end of its own. */
void run_end_process(uint64_t after_ns);

/* By now_ns(); 0: the runner has set none. */
uint64_t run_deadline(void);

/* True once the runner came back; what it held is freed then, the process keeps the engine. */
bool run_over(int *exit_code);

/* A run was begun and has not come back. */
bool run_going(void);

#endif
