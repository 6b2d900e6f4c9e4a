/* The C library as the runner uses it: the one place that names its headers and functions.
 *
 * A build without a C library's headers replaces this file alone, so the list below is
 * complete and short. None of these needs C++, thread-locals or long double.
 *
 *   memory   malloc calloc free memcpy memset memcmp strlen strcmp strncmp strchr strstr strerror
 *   text     snprintf vsnprintf strtod
 *   files    openat close read write lseek
 *            renameat unlinkat dup dup2
 *   folders  fdopendir readdir closedir
 *   process  getpid _exit signal sigemptyset sigaddset sigprocmask setitimer
 *            sched_setaffinity sched_getaffinity getrusage clock_gettime prctl
 *   loading  dlopen dlsym dlerror
 */
#ifndef BOKEHBENCH_LIBC_H
#define BOKEHBENCH_LIBC_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_setaffinity */
#endif

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#endif
