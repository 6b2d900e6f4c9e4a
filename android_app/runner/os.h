/* What the runner asks of the operating system: time, its own end, cores, memory. */
#ifndef BOKEHBENCH_OS_H
#define BOKEHBENCH_OS_H

#include "failure.h"

uint64_t now_ns(void);

/* The process ends with EXIT_DEADLINE after that time, whatever it is doing. */
bool arm_deadline(uint64_t deadline_ms, struct failure *failure);

/* Threads that the engine starts later inherit it. */
bool set_cores(uint64_t mask, struct failure *failure);

/* Largest resident size so far, in bytes; `source` says where it was read. */
uint64_t peak_memory(const char **source);

#endif
