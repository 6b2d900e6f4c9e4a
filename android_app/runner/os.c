#include "os.h"

#include "number.h"

uint64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void end_process(int number) {
    (void)number;
    _exit(EXIT_DEADLINE);
}

bool arm_deadline(uint64_t deadline_ns, struct failure *failure) {
    struct itimerval timer;
    sigset_t alarm_only;
    uint64_t now = now_ns();
    uint64_t left_us = deadline_ns > now ? (deadline_ns - now) / 1000 : 0;
    left_us = left_us > 0 ? left_us : 1; /* 0 would turn the timer off */
    memset(&timer, 0, sizeof timer);
    timer.it_value.tv_sec = (time_t)(left_us / 1000000);
    timer.it_value.tv_usec = (suseconds_t)(left_us % 1000000);
    sigemptyset(&alarm_only);
    sigaddset(&alarm_only, SIGALRM);
    /* A parent's blocked signals are inherited. */
    if (signal(SIGALRM, end_process) == SIG_ERR ||
        sigprocmask(SIG_UNBLOCK, &alarm_only, NULL) != 0 ||
        setitimer(ITIMER_REAL, &timer, NULL) != 0) {
        return fail(failure, FAILURE_INTERNAL, "deadline: %s", strerror(errno));
    }
    return true;
}

void end_with_parent(void) {
    /* A host that was killed can't end us, and hours of load would disturb what runs next.
     * Where the kernel refuses, the deadline still stands. */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}

bool set_cores(uint64_t mask, struct failure *failure) {
    if (mask == 0) {
        return true;
    }
    /* The kernel takes any number of whole words; cpu_set_t would only be larger. */
    uint64_t words[1] = {mask};
    cpu_set_t taken;
    if (sched_setaffinity(0, sizeof words, (const cpu_set_t *)(const void *)words) != 0 ||
        sched_getaffinity(0, sizeof taken, &taken) < 0) {
        return fail(failure, FAILURE_USAGE, "core_mask=%llx: %s", (unsigned long long)mask,
                    strerror(errno));
    }
    memcpy(words, &taken, sizeof words);
    if (words[0] != mask) { /* the kernel drops cores that are off without a word */
        return fail(failure, FAILURE_USAGE, "core_mask=%llx: only %llx can be used",
                    (unsigned long long)mask, (unsigned long long)words[0]);
    }
    return true;
}

/* "VmHWM:\t   12345 kB" of /proc/self/status. */
static bool read_high_water(uint64_t *bytes) {
    char text[4096];
    int fd = openat(AT_FDCWD, "/proc/self/status", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0) {
        close(fd);
    }
    if (got <= 0) {
        return false;
    }
    text[got] = '\0';
    const char *at = strstr(text, "\nVmHWM:");
    if (at == NULL) {
        return false;
    }
    at += 7;
    while (*at == ' ' || *at == '\t') {
        at++;
    }
    uint64_t kibibytes = 0;
    for (; *at >= '0' && *at <= '9'; at++) {
        kibibytes = kibibytes * 10 + (uint64_t)(*at - '0');
    }
    *bytes = kibibytes * 1024;
    return kibibytes > 0;
}

uint64_t peak_memory(const char **source) {
    uint64_t bytes;
    struct rusage usage;
    if (read_high_water(&bytes)) {
        *source = "VmHWM";
        return bytes;
    }
    memset(&usage, 0, sizeof usage);
    getrusage(RUSAGE_SELF, &usage);
    *source = "ru_maxrss";
    return (uint64_t)usage.ru_maxrss * 1024;
}
