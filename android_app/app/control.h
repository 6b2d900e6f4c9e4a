/* The control thread: who connects, what is asked for, and the lines of a run (docs/app-protocol.md). */
#ifndef BOKEHBENCH_CONTROL_H
#define BOKEHBENCH_CONTROL_H

#include "libc_app.h"

/* Starts the thread, once in a process; later calls do nothing. `folder` is the app's own. */
void control_start(const char *folder, int api_level);

/* Where a byte wakes the thread; -1 before it was started. */
int control_wake(void);

#endif
