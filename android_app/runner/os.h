/* What the runner asks of the operating system: time, its own end, cores, memory. */
#ifndef BOKEHBENCH_OS_H
#define BOKEHBENCH_OS_H

#include "failure.h"

uint64_t now_ns(void);

/* The process ends with EXIT_DEADLINE when now_ns() gets there, whatever it is doing. Again after
 * foreign code was loaded, which may have taken the signal or the timer for itself. */
bool arm_deadline(uint64_t deadline_ns, struct failure *failure);

/* Threads that the engine starts later inherit it. */
/* Ends this process when the one that started it ends. */
void end_with_parent(void);

bool set_cores(uint64_t mask, struct failure *failure);

/* Largest resident size so far, in bytes; `source` says where it was read. */
uint64_t peak_memory(const char **source);

#endif
