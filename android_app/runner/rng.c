#include "rng.h"

uint64_t splitmix64(uint64_t *state) {
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void random_bytes(uint64_t seed, uint64_t input, uint8_t *bytes, size_t length) {
    /* An odd factor keeps inputs apart without drawing from the stream of another one. */
    uint64_t state = seed ^ (input * 0xd1b54a32d192ed03u);
    for (size_t i = 0; i < length;) {
        uint64_t word = splitmix64(&state);
        for (unsigned byte = 0; byte < 8 && i < length; byte++, i++) {
            bytes[i] = (uint8_t)(word >> (8 * byte));
        }
    }
}
