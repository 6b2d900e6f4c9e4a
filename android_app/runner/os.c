#include "os.h"

#include "number.h"

uint64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
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
