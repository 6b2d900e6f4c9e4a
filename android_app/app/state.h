/* What the activity is doing, told by the main thread and read by the control thread. */
#ifndef BOKEHBENCH_STATE_H
#define BOKEHBENCH_STATE_H

#include "libc_app.h"

enum change {
    CHANGE_CREATED,
    CHANGE_STARTED,
    CHANGE_RESUMED,
    CHANGE_PAUSED,
    CHANGE_STOPPED,
    CHANGE_DESTROYED,
    CHANGE_FOCUS_GAINED,
    CHANGE_FOCUS_LOST
};

struct moment {
    const char *change; /* NULL: none, only how things are */
    const char *state;
    bool focused;
    uint64_t at_ns;
};

/* Never blocks for long: it is for the main thread. `wake` gets a byte. */
void state_change(enum change change, int wake);

void state_now(struct moment *moment);

/* From here on changes are kept, and `state_in_front` tells of the whole time since. */
void state_watch(void);
void state_unwatch(void);
/* The oldest change that was kept; false: there is none. */
bool state_next(struct moment *moment);
/* The activity was resumed with the focus all the time. */
bool state_in_front(void);

#endif
