/* The deterministic input: bytes of SplitMix64, the same on every machine. */
#ifndef BOKEHBENCH_RNG_H
#define BOKEHBENCH_RNG_H

#include "libc.h"

/* One step of SplitMix64 (Steele, Lea, Flood 2014; constants of java.util.SplittableRandom). */
uint64_t splitmix64(uint64_t *state);

/* Bytes for input `input` of an item with seed `seed`: docs/protocol.md, "Manifest". */
void random_bytes(uint64_t seed, uint64_t input, uint8_t *bytes, size_t length);

#endif
