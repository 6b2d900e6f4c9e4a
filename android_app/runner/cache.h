/* The folder where a GPU delegate keeps the kernels that it compiled, emptied or kept on purpose. */
#ifndef BOKEHBENCH_CACHE_H
#define BOKEHBENCH_CACHE_H

#include "engine.h"

/* Before the load: empties the folder for a cold one. `files` is how many are there then. */
bool cache_begin(const struct engine_setup *setup, size_t *files, struct failure *failure);

/* After the load: `warm` only with files that were there before and a log that does not say
 * otherwise, `cold` when the load left files, `none` when there are none. */
bool cache_end(const struct engine_setup *setup, size_t files, const struct delegation *delegation,
               const char **word, struct failure *failure);

#endif
