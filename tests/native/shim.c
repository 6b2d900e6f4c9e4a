/* For tests: what an Android x86_64 program asks of Android's C library and glibc lacks, or does
 * otherwise. Built as libc.so it stands before glibc, which answers for all the rest.
 *
 * Sources: AOSP platform/bionic, libc/bionic/libc_init_dynamic.cpp and libc/include/bits/signal_types.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int *__errno(void) {
    return &errno;
}

/* The kernel's set: 64 bits. glibc's functions would write 1024 into a smaller object. */
int sigemptyset(uint64_t *set) {
    *set = 0;
    return 0;
}

int sigaddset(uint64_t *set, int number) {
    *set |= UINT64_C(1) << (number - 1);
    return 0;
}

int sigprocmask(int how, const uint64_t *set, uint64_t *old) {
    return (int)syscall(SYS_rt_sigprocmask, how, set, old, sizeof *set);
}

struct structors {
    void (**preinit_array)(void);
    void (**init_array)(void);
    void (**fini_array)(void);
};

__attribute__((noinline)) static int stack_is_aligned(void) {
    return ((uintptr_t)__builtin_frame_address(0) & 15) == 0;
}

__attribute__((noreturn)) void __libc_init(void *raw_arguments, void (*on_exit)(void),
                                           int (*program)(int, char **, char **),
                                           const struct structors *structors) {
    uintptr_t *stack = raw_arguments;
    int count = (int)stack[0];
    char **words = (char **)(stack + 1);
    if (on_exit != NULL || structors->fini_array != NULL || !stack_is_aligned()) {
        _exit(99);
    }
    exit(program(count, words, words + count + 1));
}
