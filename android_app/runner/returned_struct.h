/* Calls a function that returns a struct whose size is known to the function alone. */
#ifndef BOKEHBENCH_RETURNED_STRUCT_H
#define BOKEHBENCH_RETURNED_STRUCT_H

#include "libc.h"

enum { RETURNED_STRUCT = 512 }; /* room for any options struct there may be */

/* `function` takes nothing. Its struct is in `bytes` afterwards, with zeros after it; the first four
 * bytes of the struct must not all be 0xa5. False: there is no way to do it on this machine. */
bool returned_struct(void (*function)(void), void *bytes);

#endif
