#include "sha256.h"

static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate(uint32_t value, unsigned bits) {
    return (value >> bits) | (value << (32 - bits));
}

static void compress(uint32_t state[8], const uint8_t block[64]) {
    uint32_t w[64];
    for (unsigned i = 0; i < 16; i++) {
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
               (uint32_t)block[4 * i + 2] << 8 | (uint32_t)block[4 * i + 3];
    }
    for (unsigned i = 16; i < 64; i++) {
        uint32_t s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ (w[i - 15] >> 3);
        uint32_t s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ (w[i - 2] >> 10);
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    /* Unrolled, the eight variables change names and are not moved. */
#pragma GCC unroll 64
    for (unsigned i = 0; i < 64; i++) {
        uint32_t s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
        uint32_t t1 = h + s1 + (g ^ (e & (f ^ g))) + K[i] + w[i];
        uint32_t s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
        uint32_t t2 = s0 + ((a & b) | (c & (a | b)));
        h = g;
        g = f;
        f = e;
        e = d + t1;
        d = c;
        c = b;
        b = a;
        a = t1 + t2;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
}

void sha256_init(struct sha256 *sha) {
    static const uint32_t START[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(sha->state, START, sizeof START);
    memset(sha->block, 0, sizeof sha->block);
    sha->length = 0;
}

void sha256_update(struct sha256 *sha, const void *bytes, size_t length) {
    const uint8_t *at = bytes;
    size_t held = (size_t)(sha->length % 64);
    sha->length += length;
    while (length > 0) {
        if (held == 0 && length >= 64) {
            compress(sha->state, at);
            at += 64;
            length -= 64;
            continue;
        }
        size_t take = 64 - held < length ? 64 - held : length;
        memcpy(sha->block + held, at, take);
        held += take;
        at += take;
        length -= take;
        if (held == 64) {
            compress(sha->state, sha->block);
            held = 0;
        }
    }
}

void sha256_text(const struct sha256 *sha, char text[SHA256_TEXT]) {
    static const char HEX[] = "0123456789abcdef";
    struct sha256 last = *sha;
    uint64_t bits = sha->length * 8;
    uint8_t padding[72] = {0x80};
    size_t held = (size_t)(sha->length % 64);
    size_t zeros = held < 56 ? 56 - held : 120 - held;
    for (unsigned i = 0; i < 8; i++) {
        padding[zeros + i] = (uint8_t)(bits >> (56 - 8 * i));
    }
    sha256_update(&last, padding, zeros + 8);
    for (unsigned i = 0; i < 32; i++) {
        uint8_t byte = (uint8_t)(last.state[i / 4] >> (24 - 8 * (i % 4)));
        text[2 * i] = HEX[byte >> 4];
        text[2 * i + 1] = HEX[byte & 15];
    }
    text[64] = '\0';
}

void sha256_of(const void *bytes, size_t length, char text[SHA256_TEXT]) {
    struct sha256 sha;
    sha256_init(&sha);
    sha256_update(&sha, bytes, length);
    sha256_text(&sha, text);
}
