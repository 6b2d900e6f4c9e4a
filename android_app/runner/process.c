#include "process.h"

#include "os.h"

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
