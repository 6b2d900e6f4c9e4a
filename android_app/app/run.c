#include "run.h"

#include <stdatomic.h>

#include "../runner/os.h"
#include "../runner/runner.h"

/* Past the deadline the runner has this long to come back before the kernel ends the process. */
static const uint64_t GRACE_NS = 5000000000u;

/* As the shell gives the main thread of a program; an engine's recursion may count on it. */
enum { STACK = 8 * 1024 * 1024 };

static struct {
    bool going;
    int events; /* to read */
    int out;    /* to write */
    int wake;
    int count;
    char **words;
    pthread_t thread;
    int exit_code;
    atomic_bool stop;
    atomic_bool returned;
    _Atomic uint64_t deadline_ns;
} run = {.events = -1, .out = -1};

static void wake(void) {
    (void)!write(run.wake, "", 1);
}

/* The runner can hang in a driver, and nothing in a process ends a thread that does: the kernel
 * has to, even when this app's other threads hang too. Default action of SIGALRM: the end. */
static bool arm_kernel(uint64_t after_ns) {
    struct itimerval timer;
    sigset_t alarm_only;
    sigemptyset(&alarm_only);
    sigaddset(&alarm_only, SIGALRM);
    memset(&timer, 0, sizeof timer);
    timer.it_value.tv_sec = (time_t)(after_ns / 1000000000u);
    timer.it_value.tv_usec = (suseconds_t)(after_ns % 1000000000u / 1000);
    return sigprocmask(SIG_UNBLOCK, &alarm_only, NULL) == 0 &&
           signal(SIGALRM, SIG_DFL) != SIG_ERR && setitimer(ITIMER_REAL, &timer, NULL) == 0;
}

void run_end_process(uint64_t after_ns) {
    (void)arm_kernel(after_ns);
}

static bool arm(uint64_t deadline_ns, struct failure *failure) {
    uint64_t now = now_ns();
    uint64_t left_ns = deadline_ns > now ? deadline_ns - now : 0;
    if (!arm_kernel(left_ns + GRACE_NS)) {
        return fail(failure, FAILURE_INTERNAL, "deadline: %s", strerror(errno));
    }
    atomic_store(&run.deadline_ns, deadline_ns);
    wake();
    return true;
}

static void *run_thread(void *unused) {
    (void)unused;
    const struct surroundings app = {run.out, arm, &run.stop};
    run.exit_code = runner_run(run.count, run.words, &app, RUNNER_ENGINES);
    close(run.out);
    atomic_store(&run.returned, true);
    wake();
    return NULL;
}

static char **copy_words(char *const *words, size_t count) {
    size_t size = (count + 1) * sizeof *words;
    size_t texts = size;
    for (size_t i = 0; i < count; i++) {
        size += strlen(words[i]) + 1;
    }
    char **copy = malloc(size);
    char *at = (char *)copy + texts;
    for (size_t i = 0; copy != NULL && i < count; i++) {
        size_t length = strlen(words[i]) + 1;
        memcpy(at, words[i], length);
        copy[i] = at;
        at += length;
    }
    if (copy != NULL) {
        copy[count] = NULL;
    }
    return copy;
}

static int start_thread(void) {
    pthread_attr_t attributes;
    int error = pthread_attr_init(&attributes);
    error = error != 0 ? error : pthread_attr_setstacksize(&attributes, STACK);
    return error != 0 ? error : pthread_create(&run.thread, &attributes, run_thread, NULL);
}

bool run_begin(char *const *words, size_t count, int log, int wake_fd) {
    int ends[2] = {-1, -1};
    run.wake = wake_fd;
    run.count = (int)count;
    run.words = copy_words(words, count);
    if (run.words == NULL || pipe2(ends, O_CLOEXEC) != 0) {
        free(run.words);
        return false;
    }
    run.events = ends[0];
    run.out = ends[1];
    int error = dup2(log, 1) < 0 || dup2(log, 2) < 0 ? errno : start_thread();
    if (error != 0) {
        close(run.out);
        run_close_events();
        free(run.words);
        errno = error;
        return false;
    }
    run.going = true;
    return true;
}

int run_events(void) {
    return run.events;
}

void run_close_events(void) {
    if (run.events >= 0) {
        close(run.events);
    }
    run.events = -1;
}

void run_stop(void) {
    atomic_store(&run.stop, true);
}

uint64_t run_deadline(void) {
    return atomic_load(&run.deadline_ns);
}

bool run_over(int *exit_code) {
    if (!run.going || !atomic_load(&run.returned)) {
        return false;
    }
    run_end_process(0);
    pthread_join(run.thread, NULL);
    free(run.words);
    run.going = false;
    atomic_store(&run.deadline_ns, 0);
    *exit_code = run.exit_code;
    return true;
}

bool run_going(void) {
    return run.going;
}
