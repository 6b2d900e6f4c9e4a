/* What the app calls of Android's C library beside libc.h: threads, sockets, folders. Written down
 * by hand as libc.h is, which comes before it, for the 64-bit ABIs.
 *
 * Sources: AOSP platform/bionic, libc/include/ and libc/kernel/uapi/, named below.
 */
#ifndef BOKEHBENCH_BIONIC_APP_H
#define BOKEHBENCH_BIONIC_APP_H

/* errno.h; numbers: asm-generic/errno-base.h, asm-generic/errno.h */
#define EAGAIN 11
#define EEXIST 17
#define ENOTDIR 20
#define EISDIR 21
#define EADDRINUSE 98

/* pthread.h; types: bits/pthread_types.h */
typedef long pthread_t;
typedef struct {
    uint32_t flags;
    void *stack_base;
    size_t stack_size;
    size_t guard_size;
    int32_t sched_policy;
    int32_t sched_priority;
    char reserved[16];
} pthread_attr_t;
typedef struct {
    int32_t private_words[10];
} pthread_mutex_t;
#define PTHREAD_MUTEX_INITIALIZER {{0}}
int pthread_attr_init(pthread_attr_t *attributes);
int pthread_attr_setstacksize(pthread_attr_t *attributes, size_t size);
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
                   void *argument);
int pthread_join(pthread_t thread, void **result);
int pthread_mutex_lock(pthread_mutex_t *mutex);
int pthread_mutex_unlock(pthread_mutex_t *mutex);

/* sys/socket.h, sys/un.h, linux/un.h; numbers: linux/socket.h, asm-generic/socket.h */
typedef unsigned socklen_t;
typedef unsigned uid_t;
typedef unsigned gid_t;
struct sockaddr {
    unsigned short sa_family;
    char sa_data[14];
};
struct sockaddr_un {
    unsigned short sun_family;
    char sun_path[108];
};
struct ucred {
    pid_t pid;
    uid_t uid;
    gid_t gid;
};
int socket(int family, int type, int protocol);
int bind(int fd, const struct sockaddr *address, socklen_t size);
int listen(int fd, int waiting);
int accept4(int fd, struct sockaddr *address, socklen_t *size, int flags);
int getsockopt(int fd, int level, int name, void *value, socklen_t *size);
ssize_t send(int fd, const void *bytes, size_t length, int flags);
#define AF_UNIX 1
#define SOCK_STREAM 1
#define SOCK_CLOEXEC O_CLOEXEC
#define SOCK_NONBLOCK 04000
#define SOL_SOCKET 1
#define SO_PEERCRED 17
#define MSG_NOSIGNAL 0x4000

/* poll.h; numbers: asm-generic/poll.h */
struct pollfd {
    int fd;
    short events;
    short revents;
};
int poll(struct pollfd *fds, unsigned count, int timeout_ms);
#define POLLIN 0x0001
#define POLLOUT 0x0004
#define POLLERR 0x0008
#define POLLHUP 0x0010

/* unistd.h, fcntl.h, sys/stat.h, sys/resource.h, time.h */
uid_t getuid(void);
int pipe2(int fds[2], int flags);
int mkdirat(int folder, const char *path, mode_t mode);
int setpriority(int which, unsigned who, int value);
int getpriority(int which, unsigned who);
int nanosleep(const struct timespec *time, struct timespec *left);
#define O_NONBLOCK 04000
#if defined(__aarch64__)
#define O_NOFOLLOW 0100000
#else
#define O_NOFOLLOW 0400000
#endif
#define AT_REMOVEDIR 0x200
#define PRIO_PROCESS 0

/* signal.h */
#define SIG_DFL ((sighandler_t)0)

/* stdlib.h, string.h */
void *memmove(void *to, const void *from, size_t length);
void *realloc(void *memory, size_t size);

/* dlfcn.h */
typedef struct {
    const char *dli_fname;
    void *dli_fbase;
    const char *dli_sname;
    void *dli_saddr;
} Dl_info;
int dladdr(const void *address, Dl_info *info);

#endif
