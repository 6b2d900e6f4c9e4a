/* For tests: what Android does around the app, on this machine. The app's own code is linked in as it
 * is; the functions of libandroid that it calls are here, with a main thread that calls it back.
 *
 *   standin NAME FOLDER [quiet]
 *
 * NAME becomes the process's name, as the package's name is on a phone, and so the name of the socket.
 * FOLDER is the app's own data folder. The activity is created, started, resumed and has the focus,
 * unless `quiet`. Then each line on standard input is something that happens, and is answered by a line
 * on standard output once it has:
 *
 *   create start resume pause stop destroy focus blur   a callback of the latest activity
 *   destroy-first                                       the activity before it is destroyed
 *   touch N     N events are in the input queue; answered when the app has taken them
 *   window      a window comes, and is to be drawn
 *   facts       flags=... posted=... taken=... unfinished=...
 *   crash       the process ends as a driver's fault would end it
 *
 * At the end of standard input it ends itself.
 */
#include "../ndk.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MOST = 4 };

struct AInputQueue {
    int waiting;
    ALooper_callbackFunc callback;
    void *data;
};

struct ANativeWindow {
    int width;
    int height;
    int format;
    uint32_t pixels[64 * 64];
};

struct ALooper {
    int unused;
};

static struct ALooper looper;
static struct AInputQueue queue;
static struct ANativeWindow window;
static struct ANativeActivity activities[MOST];
static struct ANativeActivityCallbacks callbacks[MOST];
static int made;
static uint32_t flags;
static unsigned posted, taken, unfinished;
static pthread_t main_thread;
static FILE *out;

static void must(bool good, const char *what) {
    if (!good) {
        fprintf(stderr, "standin: %s\n", what);
        abort();
    }
}

/* As on Android: what touches the screen belongs to the main thread. */
static void on_main_thread(void) {
    must(pthread_equal(pthread_self(), main_thread) != 0, "called from another thread");
}

ALooper *ALooper_forThread(void) {
    return pthread_equal(pthread_self(), main_thread) != 0 ? &looper : NULL;
}

void AInputQueue_attachLooper(AInputQueue *of, ALooper *to, int ident,
                              ALooper_callbackFunc callback, void *data) {
    must(of == &queue && to == &looper && ident == ALOOPER_POLL_CALLBACK, "attachLooper");
    of->callback = callback;
    of->data = data;
}

void AInputQueue_detachLooper(AInputQueue *of) {
    must(of == &queue && of->callback != NULL, "detachLooper");
    of->callback = NULL;
}

int32_t AInputQueue_getEvent(AInputQueue *of, AInputEvent **event) {
    on_main_thread();
    if (of->waiting == 0) {
        return -1;
    }
    of->waiting--;
    unfinished++;
    *event = (AInputEvent *)(void *)of;
    return 0;
}

/* Every third event is taken by the system, as keys are for an input method. */
int32_t AInputQueue_preDispatchEvent(AInputQueue *of, AInputEvent *event) {
    must((void *)event == (void *)of, "preDispatchEvent");
    if (of->waiting % 3 != 0) {
        return 0;
    }
    unfinished--;
    taken++;
    return 1;
}

void AInputQueue_finishEvent(AInputQueue *of, AInputEvent *event, int handled) {
    must((void *)event == (void *)of && handled == 0 && unfinished > 0, "finishEvent");
    unfinished--;
    taken++;
}

void ANativeActivity_setWindowFlags(ANativeActivity *activity, uint32_t add, uint32_t remove) {
    must(activity >= activities && activity < activities + MOST, "setWindowFlags");
    flags = (flags | add) & ~remove;
}

int32_t ANativeWindow_setBuffersGeometry(ANativeWindow *of, int32_t width, int32_t height,
                                         int32_t format) {
    on_main_thread();
    must(width > 0 && width <= 64 && height > 0 && height <= 64, "setBuffersGeometry");
    of->width = width;
    of->height = height;
    of->format = format;
    return 0;
}

int32_t ANativeWindow_lock(ANativeWindow *of, ANativeWindow_Buffer *buffer, ARect *dirty) {
    must(dirty == NULL, "lock");
    memset(buffer, 0, sizeof *buffer);
    buffer->width = of->width;
    buffer->stride = 64; /* wider than the window, as real ones are */
    buffer->height = of->height;
    buffer->format = of->format;
    memset(of->pixels, 0x55, sizeof of->pixels);
    buffer->bits = of->pixels;
    return 0;
}

int32_t ANativeWindow_unlockAndPost(ANativeWindow *of) {
    for (int y = 0; y < of->height; y++) {
        for (int x = 0; x < of->width; x++) {
            must(of->pixels[y * 64 + x] == 0, "a posted picture that is not black");
        }
    }
    posted++;
    return 0;
}

int __android_log_write(int priority, const char *tag, const char *text) {
    return fprintf(stderr, "%c/%s: %s\n", priority == ANDROID_LOG_ERROR ? 'E' : 'I', tag, text);
}

static void create(const char *folder) {
    must(made < MOST, "too many activities");
    struct ANativeActivity *activity = &activities[made];
    activity->callbacks = &callbacks[made];
    activity->internalDataPath = folder;
    activity->sdkVersion = 34;
    made++;
    ANativeActivity_onCreate(activity, NULL, 0);
    activity->callbacks->onInputQueueCreated(activity, &queue);
}

/* What the main thread's looper does when a queue has events. */
static void look_at_queue(void) {
    while (queue.waiting > 0 && queue.callback != NULL) {
        must(queue.callback(-1, 1, queue.data) == 1, "the queue's callback wants no more");
    }
}

static bool happen(const char *line, const char *folder) {
    struct ANativeActivity *activity = &activities[made - 1];
    const struct ANativeActivityCallbacks *call = activity->callbacks;
    int count;
    if (strcmp(line, "create") == 0) {
        create(folder);
    } else if (strcmp(line, "start") == 0) {
        call->onStart(activity);
    } else if (strcmp(line, "resume") == 0) {
        call->onResume(activity);
    } else if (strcmp(line, "pause") == 0) {
        call->onPause(activity);
    } else if (strcmp(line, "stop") == 0) {
        call->onStop(activity);
    } else if (strcmp(line, "destroy") == 0) {
        call->onInputQueueDestroyed(activity, &queue);
        call->onDestroy(activity);
    } else if (strcmp(line, "destroy-first") == 0) {
        activities[0].callbacks->onDestroy(&activities[0]);
    } else if (strcmp(line, "focus") == 0 || strcmp(line, "blur") == 0) {
        call->onWindowFocusChanged(activity, line[0] == 'f');
    } else if (strcmp(line, "window") == 0) {
        call->onNativeWindowCreated(activity, &window);
        call->onNativeWindowRedrawNeeded(activity, &window);
    } else if (sscanf(line, "touch %d", &count) == 1) {
        queue.waiting += count;
        look_at_queue();
        fprintf(out, "waiting=%d ", queue.waiting);
    } else if (strcmp(line, "facts") == 0) {
        fprintf(out, "flags=%#x posted=%u taken=%u unfinished=%u ", (unsigned)flags, posted, taken,
                unfinished);
    } else if (strcmp(line, "crash") == 0) {
        signal(SIGSEGV, SIG_DFL);
        raise(SIGSEGV);
    } else {
        return false;
    }
    return true;
}

int main(int count, char **words) {
    char line[256];
    if (count < 3) {
        fprintf(stderr, "standin NAME FOLDER [quiet]\n");
        return 64;
    }
    if (strcmp(words[0], words[1]) != 0) {
        words[0] = words[1];
        execv("/proc/self/exe", words);
        perror("standin: execv");
        return 71;
    }
    /* As an app is started: fds 1 and 2 lead nowhere that a host would see, and here fd 1 is ours. */
    out = fdopen(dup(1), "w");
    must(out != NULL && dup2(2, 1) == 1, "standard output");
    main_thread = pthread_self();
    create(words[2]);
    if (count == 3) {
        happen("start", words[2]);
        happen("resume", words[2]);
        happen("window", words[2]);
        happen("focus", words[2]);
    }
    fprintf(out, "ready\n");
    fflush(out);
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        fprintf(out, "%s\n", happen(line, words[2]) ? line : "unknown");
        fflush(out);
    }
    _exit(0);
}
