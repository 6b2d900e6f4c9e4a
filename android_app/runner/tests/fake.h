/* An engine made of a few arrays: it gives 1 - input, and fails as it is told. */
#ifndef BOKEHBENCH_FAKE_H
#define BOKEHBENCH_FAKE_H

#include <stdatomic.h>

#include "../engine.h"

enum { ELEMENTS = 12 };

struct fake {
    float input[ELEMENTS];
    float output[ELEMENTS];
    float fresh[ELEMENTS];
    const char *behaviour; /* `model=` says what goes wrong */
    unsigned runs;
    unsigned locked;
};

extern struct fake fake;
extern atomic_bool stop; /* of the trial */
extern const struct engine FAKE;

#endif
