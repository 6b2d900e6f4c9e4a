/* The activity: what Android calls, all of it on the main thread, and none of it waits. */
#include "control.h"
#include "ndk.h"
#include "state.h"

/* Android makes another activity of the same process before the first one is destroyed, when its
 * configuration changes for one: only the latest one's life counts. */
static ANativeActivity *latest;

static void changed(ANativeActivity *activity, enum change change) {
    if (activity == latest) {
        state_change(change, control_wake());
    }
}

static void on_start(ANativeActivity *activity) {
    changed(activity, CHANGE_STARTED);
}

static void on_resume(ANativeActivity *activity) {
    changed(activity, CHANGE_RESUMED);
}

static void on_pause(ANativeActivity *activity) {
    changed(activity, CHANGE_PAUSED);
}

static void on_stop(ANativeActivity *activity) {
    changed(activity, CHANGE_STOPPED);
}

static void on_destroy(ANativeActivity *activity) {
    changed(activity, CHANGE_DESTROYED);
    latest = activity == latest ? NULL : latest;
}

static void on_focus(ANativeActivity *activity, int focused) {
    changed(activity, focused != 0 ? CHANGE_FOCUS_GAINED : CHANGE_FOCUS_LOST);
}

/* Events that nobody takes make the system call the app hung. None of them is for us, so the
 * system may act on each: the back key leaves. */
static int drain(int fd, int events, void *data) {
    (void)fd;
    (void)events;
    AInputQueue *queue = data;
    AInputEvent *event = NULL;
    while (AInputQueue_getEvent(queue, &event) >= 0) {
        if (AInputQueue_preDispatchEvent(queue, event) == 0) {
            AInputQueue_finishEvent(queue, event, 0);
        }
    }
    return 1;
}

static void on_queue(ANativeActivity *activity, AInputQueue *queue) {
    (void)activity;
    AInputQueue_attachLooper(queue, ALooper_forThread(), ALOOPER_POLL_CALLBACK, drain, queue);
}

static void on_queue_gone(ANativeActivity *activity, AInputQueue *queue) {
    (void)activity;
    AInputQueue_detachLooper(queue);
}

/* One black picture, so that the system has something to show and nothing to animate. The GPU is
 * the model's. */
static void draw(ANativeActivity *activity, ANativeWindow *window) {
    (void)activity;
    ANativeWindow_Buffer buffer;
    if (ANativeWindow_setBuffersGeometry(window, 16, 16, WINDOW_FORMAT_RGBX_8888) != 0 ||
        ANativeWindow_lock(window, &buffer, NULL) != 0) {
        return;
    }
    if (buffer.format == WINDOW_FORMAT_RGBX_8888) {
        memset(buffer.bits, 0, (size_t)buffer.stride * (size_t)buffer.height * 4);
    }
    (void)ANativeWindow_unlockAndPost(window);
}

__attribute__((visibility("default"))) void ANativeActivity_onCreate(ANativeActivity *activity,
                                                                     void *saved,
                                                                     size_t saved_size) {
    (void)saved;
    (void)saved_size;
    struct ANativeActivityCallbacks *callbacks = activity->callbacks;
    callbacks->onStart = on_start;
    callbacks->onResume = on_resume;
    callbacks->onPause = on_pause;
    callbacks->onStop = on_stop;
    callbacks->onDestroy = on_destroy;
    callbacks->onWindowFocusChanged = on_focus;
    callbacks->onNativeWindowCreated = draw;
    callbacks->onNativeWindowRedrawNeeded = draw;
    callbacks->onInputQueueCreated = on_queue;
    callbacks->onInputQueueDestroyed = on_queue_gone;
    /* A screen that goes off pauses the activity, and the system slows what is paused. */
    ANativeActivity_setWindowFlags(activity,
                                   AWINDOW_FLAG_KEEP_SCREEN_ON | AWINDOW_FLAG_SHOW_WHEN_LOCKED |
                                       AWINDOW_FLAG_TURN_SCREEN_ON,
                                   0);
    latest = activity;
    control_start(activity->internalDataPath, activity->sdkVersion);
    state_change(CHANGE_CREATED, control_wake());
}
