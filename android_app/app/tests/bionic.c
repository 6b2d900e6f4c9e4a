/* For tests: an Android program around the app, for a real Android C library without the rest of
 * Android. It starts one activity that is in front and has no screen; the app's code is as it is.
 *
 *   bionic FOLDER
 */
#include "../ndk.h"

ALooper *ALooper_forThread(void) {
    return NULL;
}

void AInputQueue_attachLooper(AInputQueue *queue, ALooper *looper, int ident,
                              ALooper_callbackFunc callback, void *data) {
    (void)queue, (void)looper, (void)ident, (void)callback, (void)data;
}

void AInputQueue_detachLooper(AInputQueue *queue) {
    (void)queue;
}

int32_t AInputQueue_getEvent(AInputQueue *queue, AInputEvent **event) {
    (void)queue, (void)event;
    return -1;
}

int32_t AInputQueue_preDispatchEvent(AInputQueue *queue, AInputEvent *event) {
    (void)queue, (void)event;
    return 0;
}

void AInputQueue_finishEvent(AInputQueue *queue, AInputEvent *event, int handled) {
    (void)queue, (void)event, (void)handled;
}

void ANativeActivity_setWindowFlags(ANativeActivity *activity, uint32_t add, uint32_t remove) {
    (void)activity, (void)add, (void)remove;
}

int32_t ANativeWindow_setBuffersGeometry(ANativeWindow *window, int32_t width, int32_t height,
                                         int32_t format) {
    (void)window, (void)width, (void)height, (void)format;
    return -1;
}

int32_t ANativeWindow_lock(ANativeWindow *window, ANativeWindow_Buffer *buffer, ARect *dirty) {
    (void)window, (void)buffer, (void)dirty;
    return -1;
}

int32_t ANativeWindow_unlockAndPost(ANativeWindow *window) {
    (void)window;
    return -1;
}

int __android_log_write(int priority, const char *tag, const char *text) {
    (void)priority, (void)tag;
    (void)!write(2, text, strlen(text));
    return 0;
}

int main(int count, char **words) {
    static struct ANativeActivityCallbacks callbacks;
    static struct ANativeActivity activity = {.callbacks = &callbacks, .sdkVersion = 23};
    if (count != 2) {
        return 64;
    }
    activity.internalDataPath = words[1];
    ANativeActivity_onCreate(&activity, NULL, 0);
    callbacks.onStart(&activity);
    callbacks.onResume(&activity);
    callbacks.onWindowFocusChanged(&activity, 1);
    for (;;) {
        (void)poll(NULL, 0, -1);
    }
}
