/* What the app calls of libandroid.so and liblog.so, and the structs that it shares with them:
 * declarations of Android's public interface, written down by hand so that no NDK is needed.
 *
 * Sources: AOSP platform/frameworks/native, include/android/ (native_activity.h, native_window.h,
 * input.h, looper.h, rect.h, window.h), platform/system/logging, liblog/include/android/log.h; the
 * names and their API levels in symbols.txt. The app touches no Java object, so JNI's types are
 * pointers to nothing.
 */
#ifndef BOKEHBENCH_ANDROID_H
#define BOKEHBENCH_ANDROID_H

/* jni.h */
typedef const struct JNINativeInterface *JNIEnv;
typedef const struct JNIInvokeInterface *JavaVM;
typedef void *jobject;

/* asset_manager.h, rect.h */
typedef struct AAssetManager AAssetManager;
typedef struct ARect {
    int32_t left;
    int32_t top;
    int32_t right;
    int32_t bottom;
} ARect;

/* native_window.h */
typedef struct ANativeWindow ANativeWindow;
typedef struct ANativeWindow_Buffer {
    int32_t width;
    int32_t height;
    int32_t stride; /* pixels */
    int32_t format;
    void *bits;
    uint32_t reserved[6];
} ANativeWindow_Buffer;
#define WINDOW_FORMAT_RGBX_8888 2
int32_t ANativeWindow_setBuffersGeometry(ANativeWindow *window, int32_t width, int32_t height,
                                         int32_t format);
int32_t ANativeWindow_lock(ANativeWindow *window, ANativeWindow_Buffer *buffer, ARect *dirty);
int32_t ANativeWindow_unlockAndPost(ANativeWindow *window);

/* looper.h */
typedef struct ALooper ALooper;
typedef int (*ALooper_callbackFunc)(int fd, int events, void *data);
#define ALOOPER_POLL_CALLBACK (-2)
ALooper *ALooper_forThread(void);

/* input.h */
typedef struct AInputQueue AInputQueue;
typedef struct AInputEvent AInputEvent;
void AInputQueue_attachLooper(AInputQueue *queue, ALooper *looper, int ident,
                              ALooper_callbackFunc callback, void *data);
void AInputQueue_detachLooper(AInputQueue *queue);
int32_t AInputQueue_getEvent(AInputQueue *queue, AInputEvent **event);
int32_t AInputQueue_preDispatchEvent(AInputQueue *queue, AInputEvent *event);
void AInputQueue_finishEvent(AInputQueue *queue, AInputEvent *event, int handled);

/* native_activity.h */
struct ANativeActivityCallbacks;
typedef struct ANativeActivity {
    struct ANativeActivityCallbacks *callbacks;
    JavaVM *vm;
    JNIEnv *env;
    jobject clazz;
    const char *internalDataPath;
    const char *externalDataPath;
    int32_t sdkVersion;
    void *instance;
    AAssetManager *assetManager;
    const char *obbPath;
} ANativeActivity;
typedef struct ANativeActivityCallbacks {
    void (*onStart)(ANativeActivity *activity);
    void (*onResume)(ANativeActivity *activity);
    void *(*onSaveInstanceState)(ANativeActivity *activity, size_t *size);
    void (*onPause)(ANativeActivity *activity);
    void (*onStop)(ANativeActivity *activity);
    void (*onDestroy)(ANativeActivity *activity);
    void (*onWindowFocusChanged)(ANativeActivity *activity, int focused);
    void (*onNativeWindowCreated)(ANativeActivity *activity, ANativeWindow *window);
    void (*onNativeWindowResized)(ANativeActivity *activity, ANativeWindow *window);
    void (*onNativeWindowRedrawNeeded)(ANativeActivity *activity, ANativeWindow *window);
    void (*onNativeWindowDestroyed)(ANativeActivity *activity, ANativeWindow *window);
    void (*onInputQueueCreated)(ANativeActivity *activity, AInputQueue *queue);
    void (*onInputQueueDestroyed)(ANativeActivity *activity, AInputQueue *queue);
    void (*onContentRectChanged)(ANativeActivity *activity, const ARect *rect);
    void (*onConfigurationChanged)(ANativeActivity *activity);
    void (*onLowMemory)(ANativeActivity *activity);
} ANativeActivityCallbacks;
_Static_assert(sizeof(ANativeActivity) == 80, "ten pointers' room");
_Static_assert(sizeof(ANativeActivityCallbacks) == 128, "sixteen functions");
void ANativeActivity_onCreate(ANativeActivity *activity, void *saved, size_t saved_size);
void ANativeActivity_setWindowFlags(ANativeActivity *activity, uint32_t add, uint32_t remove);

/* window.h; as android.view.WindowManager.LayoutParams has them */
#define AWINDOW_FLAG_KEEP_SCREEN_ON 0x00000080
#define AWINDOW_FLAG_SHOW_WHEN_LOCKED 0x00080000
#define AWINDOW_FLAG_TURN_SCREEN_ON 0x00200000

/* log.h */
#define ANDROID_LOG_INFO 4
#define ANDROID_LOG_ERROR 6
int __android_log_write(int priority, const char *tag, const char *text);

#endif
