/* What the runner asks of the operating system: time, cores, memory. */
#ifndef BOKEHBENCH_OS_H
#define BOKEHBENCH_OS_H

#include "failure.h"

uint64_t now_ns(void);

/* Threads that the engine starts later inherit it. */
bool set_cores(uint64_t mask, struct failure *failure);

/* Largest resident size so far, in bytes; `source` says where it was read. */
uint64_t peak_memory(const char **source);

#endif
