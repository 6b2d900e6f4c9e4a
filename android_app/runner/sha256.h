/* SHA-256 (FIPS 180-4). */
#ifndef BOKEHBENCH_SHA256_H
#define BOKEHBENCH_SHA256_H

#include "libc.h"

enum { SHA256_TEXT = 65 }; /* 64 hexadecimal digits and a NUL */

struct sha256 {
    uint32_t state[8];
    uint64_t length;
    uint8_t block[64];
};

void sha256_init(struct sha256 *sha);
void sha256_update(struct sha256 *sha, const void *bytes, size_t length);
/* Leaves `sha` as it was, so a running sum can be read and carried on. */
void sha256_text(const struct sha256 *sha, char text[SHA256_TEXT]);
void sha256_of(const void *bytes, size_t length, char text[SHA256_TEXT]);

#endif
