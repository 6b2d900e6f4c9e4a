/* The manifest: which inputs to run and where the outputs go. */
#ifndef BOKEHBENCH_MANIFEST_H
#define BOKEHBENCH_MANIFEST_H

#include "failure.h"
#include "sha256.h"

enum {
    MAX_ITEMS = 4096,
    MAX_FILE_NAME = 200,
    MAX_MANIFEST_BYTES = 16 * 1024 * 1024,
};

struct source {
    const char *file; /* NULL: the generator, with `seed` */
    uint64_t seed;
};

struct item {
    uint64_t index;
    const char *output; /* NULL: not written */
    struct source *inputs;
};

struct manifest {
    char sha256[SHA256_TEXT];
    size_t count;
    struct item *items;
    struct source *sources;
    char *text; /* the names above point into it */
};

/* Takes `text` over, of `length` bytes with a NUL after them, and cuts it into fields. */
bool manifest_parse(char *text, size_t length, size_t inputs, struct manifest *manifest,
                    struct failure *failure);
bool manifest_load(const char *path, size_t inputs, struct manifest *manifest,
                   struct failure *failure);
void manifest_free(struct manifest *manifest);

#endif
