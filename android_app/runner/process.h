/* The runner as a process of its own, in the shell: its own end, which an app must not have. */
#ifndef BOKEHBENCH_PROCESS_H
#define BOKEHBENCH_PROCESS_H

#include "failure.h"

/* The process ends with EXIT_DEADLINE when now_ns() gets there, whatever it is doing. Again after
 * foreign code was loaded, which may have taken the signal or the timer for itself. */
bool arm_deadline(uint64_t deadline_ns, struct failure *failure);

/* Ends this process when the one that started it ends. */
void end_with_parent(void);

#endif
