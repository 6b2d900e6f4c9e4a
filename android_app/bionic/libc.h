/* Android's C library as the runner uses it: what ../runner/libc.h takes from the headers of a C
 * library, written down by hand for the 64-bit ABIs. The build includes this file before every
 * source; ../runner/libc.h then finds its own guard taken and names no header.
 *
 * Sources, all public: types, structs and flags from AOSP platform/bionic, libc/include/ (named
 * below) and libc/kernel/uapi/ (the Linux kernel's own headers); functions from the same headers
 * and, with the API level that brought each, in symbols.txt.
 */
#ifndef BOKEHBENCH_LIBC_H
#define BOKEHBENCH_LIBC_H
#define BOKEHBENCH_BIONIC

#if !defined(__LP64__) || !(defined(__aarch64__) || defined(__x86_64__))
#error "these declarations hold for arm64-v8a and x86_64 alone"
#endif

/* The compiler's own headers; they need no C library. */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* sys/types.h */
typedef long ssize_t;
typedef long off_t;
typedef int pid_t;
typedef int clockid_t;
typedef unsigned mode_t;
typedef long time_t;
typedef long suseconds_t;

/* errno.h; numbers: asm-generic/errno-base.h */
int *__errno(void);
#define errno (*__errno())
#define ENOENT 2
#define EINTR 4

/* string.h */
void *memcpy(void *to, const void *from, size_t length);
void *memset(void *to, int byte, size_t length);
int memcmp(const void *a, const void *b, size_t length);
size_t strlen(const char *text);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t length);
char *strchr(const char *text, int byte);
char *strstr(const char *text, const char *part);
char *strerror(int number);

/* stdlib.h */
void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void free(void *memory);
double strtod(const char *text, char **end);

/* stdio.h; SEEK_: bits/seek_constants.h */
int snprintf(char *to, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int vsnprintf(char *to, size_t size, const char *format, va_list values)
    __attribute__((format(printf, 3, 0)));
#define SEEK_SET 0
#define SEEK_CUR 1
#define SEEK_END 2

/* fcntl.h; flags: asm-generic/fcntl.h, and asm/fcntl.h where arm64 differs */
int openat(int folder, const char *path, int flags, ...);
int renameat(int from_folder, const char *from, int to_folder, const char *to); /* stdio.h */
#define AT_FDCWD (-100)
#define O_RDONLY 00
#define O_WRONLY 01
#define O_RDWR 02
#define O_CREAT 0100
#define O_EXCL 0200
#define O_TRUNC 01000
#define O_APPEND 02000
#define O_CLOEXEC 02000000
#if defined(__aarch64__)
#define O_DIRECTORY 040000
#else
#define O_DIRECTORY 0200000
#endif

/* unistd.h */
int close(int fd);
ssize_t read(int fd, void *to, size_t length);
ssize_t write(int fd, const void *from, size_t length);
off_t lseek(int fd, off_t offset, int whence);
int dup(int fd);
int dup2(int fd, int to);
int unlinkat(int folder, const char *path, int flags);
pid_t getpid(void);
void _exit(int code) __attribute__((noreturn));

/* dirent.h: off64_t and ino64_t, 64 bits on both ABIs */
typedef struct DIR DIR;
struct dirent {
    uint64_t d_ino;
    int64_t d_off;
    unsigned short d_reclen;
    unsigned char d_type;
    char d_name[256];
};
_Static_assert(offsetof(struct dirent, d_name) == 19, "what the kernel writes");
DIR *fdopendir(int fd);
struct dirent *readdir(DIR *folder);
int closedir(DIR *folder);

/* signal.h; numbers: asm-generic/signal.h, which x86 repeats; sigset_t: bits/signal_types.h, the
 * kernel's 64 bits */
typedef void (*sighandler_t)(int);
typedef struct {
    unsigned long bits[1];
} sigset_t;
_Static_assert(sizeof(sigset_t) == 8, "glibc has 128 bytes here");
sighandler_t signal(int number, sighandler_t handler);
int sigemptyset(sigset_t *set);
int sigaddset(sigset_t *set, int number);
int sigprocmask(int how, const sigset_t *set, sigset_t *old);
#define SIG_IGN ((sighandler_t)1)
#define SIG_ERR ((sighandler_t)-1)
#define SIGKILL 9
#define SIGPIPE 13
#define SIGALRM 14
#define SIG_UNBLOCK 1

/* time.h, sys/time.h; structs and numbers: linux/time.h */
struct timespec {
    time_t tv_sec;
    long tv_nsec;
};
struct timeval {
    time_t tv_sec;
    suseconds_t tv_usec;
};
struct itimerval {
    struct timeval it_interval;
    struct timeval it_value;
};
int clock_gettime(clockid_t clock, struct timespec *time);
int setitimer(int which, const struct itimerval *timer, struct itimerval *old);
#define CLOCK_MONOTONIC 1
#define ITIMER_REAL 0

/* sched.h: 1024 cores on the 64-bit ABIs */
typedef struct {
    unsigned long bits[1024 / 64];
} cpu_set_t;
int sched_setaffinity(pid_t process, size_t size, const cpu_set_t *set);
int sched_getaffinity(pid_t process, size_t size, cpu_set_t *set);

/* sys/resource.h; struct: linux/resource.h */
struct rusage {
    struct timeval ru_utime;
    struct timeval ru_stime;
    long ru_maxrss;
    long ru_ixrss;
    long ru_idrss;
    long ru_isrss;
    long ru_minflt;
    long ru_majflt;
    long ru_nswap;
    long ru_inblock;
    long ru_oublock;
    long ru_msgsnd;
    long ru_msgrcv;
    long ru_nsignals;
    long ru_nvcsw;
    long ru_nivcsw;
};
_Static_assert(sizeof(struct rusage) == 144, "the kernel writes that much");
int getrusage(int who, struct rusage *usage);
#define RUSAGE_SELF 0

/* sys/prctl.h; number: linux/prctl.h */
int prctl(int option, ...);
#define PR_SET_PDEATHSIG 1

/* dlfcn.h, the values of the 64-bit ABIs */
void *dlopen(const char *path, int flags);
void *dlsym(void *library, const char *name);
char *dlerror(void);
#define RTLD_LOCAL 0
#define RTLD_NOW 0x00002
#define RTLD_GLOBAL 0x00100

#endif
