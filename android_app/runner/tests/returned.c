/* Structs of any size come back whole, by whichever way the compiler returns them. */
#include "../returned_struct.h"

#include "check.h"

enum { FILL = 7 };

#define SIZES(X) X(4) X(8) X(12) X(16) X(20) X(24) X(56) X(64) X(200)

#define X(size)                                                                                \
    struct of_##size {                                                                         \
        uint32_t word[(size) / 4];                                                             \
    };                                                                                         \
    static struct of_##size give_##size(void) {                                                \
        struct of_##size made;                                                                 \
        for (size_t i = 0; i < sizeof made / 4; i++) {                                         \
            made.word[i] = (uint32_t)(FILL * (i + 1));                                         \
        }                                                                                      \
        return made;                                                                           \
    }
SIZES(X)
#undef X

static void check_size(void (*function)(void), size_t size) {
    uint32_t words[RETURNED_STRUCT / 4 + 1];
    words[RETURNED_STRUCT / 4] = 0x5a5a5a5a;
    if (!CHECK(returned_struct(function, words))) {
        return;
    }
    for (size_t i = 0; i < size / 4; i++) {
        CHECK(words[i] == FILL * (i + 1));
    }
    if (size > 16) { /* in registers what is after the end is whatever was there */
        for (size_t i = size / 4; i < RETURNED_STRUCT / 4; i++) {
            CHECK(words[i] == 0);
        }
    }
    CHECK(words[RETURNED_STRUCT / 4] == 0x5a5a5a5a);
}

void test_returned_structs(void) {
#define X(size) check_size((void (*)(void))give_##size, size);
    SIZES(X)
#undef X
}
