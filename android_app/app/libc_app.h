/* The C library as the app uses it, beside what the runner does: threads, sockets, folders. A build
 * without a C library's headers takes ours, as it does for the runner.
 *
 *   threads  pthread_attr_init pthread_attr_setstacksize pthread_create pthread_join
 *            pthread_mutex_lock pthread_mutex_unlock setpriority getpriority nanosleep
 *   sockets  socket bind listen accept4 getsockopt send poll pipe2
 *   files    mkdirat
 *   process  getuid
 *   memory   realloc memmove
 *   loading  dladdr
 */
#ifndef BOKEHBENCH_LIBC_APP_H
#define BOKEHBENCH_LIBC_APP_H

#include "../runner/libc.h"

#if defined(BOKEHBENCH_BIONIC)
#include "../bionic/libc_app.h"
#else
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#endif

#endif
