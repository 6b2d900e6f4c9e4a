#include "state.h"

#include "../runner/os.h"

enum { KEPT = 64 };

static const char *const NAMES[] = {"created", "started",   "resumed",      "paused",
                                    "stopped", "destroyed", "focus_gained", "focus_lost"};

static struct {
    pthread_mutex_t lock;
    const char *state;
    bool focused;
    bool watched;
    bool in_front;
    size_t first;
    size_t count;
    struct moment kept[KEPT];
} activity = {.lock = PTHREAD_MUTEX_INITIALIZER, .state = "created"};

static bool in_front(void) {
    return activity.focused && activity.state == NAMES[CHANGE_RESUMED];
}

static void keep(enum change change) {
    if (activity.count == KEPT) {
        activity.first = (activity.first + 1) % KEPT;
        activity.count--;
    }
    struct moment *moment = &activity.kept[(activity.first + activity.count) % KEPT];
    moment->change = NAMES[change];
    moment->state = activity.state;
    moment->focused = activity.focused;
    moment->at_ns = now_ns();
    activity.count++;
}

void state_change(enum change change, int wake) {
    pthread_mutex_lock(&activity.lock);
    if (change == CHANGE_FOCUS_GAINED || change == CHANGE_FOCUS_LOST) {
        activity.focused = change == CHANGE_FOCUS_GAINED;
    } else {
        activity.state = NAMES[change];
        activity.focused = activity.focused && change != CHANGE_CREATED && change != CHANGE_DESTROYED;
    }
    if (activity.watched) {
        activity.in_front = activity.in_front && in_front();
        keep(change);
    }
    pthread_mutex_unlock(&activity.lock);
    (void)!write(wake, "", 1); /* full: it is awake as it is */
}

void state_now(struct moment *moment) {
    pthread_mutex_lock(&activity.lock);
    moment->change = NULL;
    moment->state = activity.state;
    moment->focused = activity.focused;
    moment->at_ns = now_ns();
    pthread_mutex_unlock(&activity.lock);
}

void state_watch(void) {
    pthread_mutex_lock(&activity.lock);
    activity.watched = true;
    activity.first = activity.count = 0;
    activity.in_front = in_front();
    pthread_mutex_unlock(&activity.lock);
}

void state_unwatch(void) {
    pthread_mutex_lock(&activity.lock);
    activity.watched = false;
    activity.count = 0;
    pthread_mutex_unlock(&activity.lock);
}

bool state_next(struct moment *moment) {
    pthread_mutex_lock(&activity.lock);
    bool found = activity.count > 0;
    if (found) {
        *moment = activity.kept[activity.first];
        activity.first = (activity.first + 1) % KEPT;
        activity.count--;
    }
    pthread_mutex_unlock(&activity.lock);
    return found;
}

bool state_in_front(void) {
    pthread_mutex_lock(&activity.lock);
    bool all_the_time = activity.in_front;
    pthread_mutex_unlock(&activity.lock);
    return all_the_time;
}
