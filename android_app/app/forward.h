/* The runner's events on their way to the client: only whole lines have something of ours between. */
#ifndef BOKEHBENCH_FORWARD_H
#define BOKEHBENCH_FORWARD_H

#include "libc_app.h"

/* `timed`: the trial times its runs, after its `backend` event. */
void forward_begin(bool timed);

/* Passes on what the pipe `fd` has; false: it has ended. */
bool forward(int fd);

/* The last line that was passed on is whole. */
bool forward_between_lines(void);

/* Runs are being timed: whatever wakes a core now is in the numbers. */
bool forward_timing(void);

#endif
