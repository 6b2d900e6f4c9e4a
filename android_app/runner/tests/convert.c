#include "../convert.h"

#include "../rng.h"
#include "check.h"

static struct tensor_spec spec_of(const char *text) {
    struct tensor_spec spec;
    struct failure failure = {0};
    CHECK(tensor_spec_parse("out", text, true, &spec, &failure));
    return spec;
}

static uint8_t rounded(const char *spec_text, float value, enum rounding rounding) {
    struct tensor_spec spec = spec_of(spec_text);
    struct value_range range;
    uint8_t byte;
    tensor_to_output(&spec, &value, 1, rounding, FORMAT_U8, &byte, &range);
    return byte;
}

static void test_rounding(void) {
    static const char RAW[] = "-:float32:0:255:0:0"; /* the value is the byte */
    static const struct {
        float value;
        uint8_t even, up, cut;
    } CASES[] = {
        {0.0f, 0, 0, 0},       {-0.0f, 0, 0, 0},      {0.5f, 0, 1, 0},     {1.5f, 2, 2, 1},
        {2.5f, 2, 3, 2},       {2.49f, 2, 2, 2},      {2.51f, 3, 3, 2},    {-0.5f, 0, 0, 0},
        {-3.0f, 0, 0, 0},      {254.5f, 254, 255, 254}, {254.99f, 255, 255, 254},
        {255.0f, 255, 255, 255}, {255.5f, 255, 255, 255}, {1e30f, 255, 255, 255},
        {-1e30f, 0, 0, 0},     {1e-40f, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        CHECK(rounded(RAW, CASES[i].value, ROUND_HALF_EVEN) == CASES[i].even);
        CHECK(rounded(RAW, CASES[i].value, ROUND_HALF_UP) == CASES[i].up);
        CHECK(rounded(RAW, CASES[i].value, ROUND_TRUNCATE) == CASES[i].cut);
    }
    CHECK(rounded("-:float32:-1:1:0:0", -1.0f, ROUND_HALF_EVEN) == 0);
    CHECK(rounded("-:float32:-1:1:0:0", 0.0f, ROUND_HALF_EVEN) == 128); /* 127.5 */
    CHECK(rounded("-:float32:-1:1:0:0", 0.0f, ROUND_TRUNCATE) == 127);
    CHECK(rounded("-:float32:1:0:0:0", 1.0f, ROUND_HALF_EVEN) == 0); /* turned round */
    CHECK(rounded("-:float32:1:0:0:0", 0.0f, ROUND_HALF_EVEN) == 255);
}

static void test_not_finite(void) {
    struct tensor_spec spec = spec_of("-:float32:0:1:0:0");
    struct value_range range;
    uint8_t bytes[5];
    float floats[5];
    float values[5] = {0.0f, 1.0f, 0.25f, -2.0f, 0.5f};
    volatile float zero = 0.0f;
    values[0] = zero / zero;
    values[1] = 1.0f / zero;
    values[4] = -1.0f / zero;
    tensor_to_output(&spec, values, 5, ROUND_HALF_EVEN, FORMAT_U8, bytes, &range);
    CHECK(bytes[0] == 0 && bytes[1] == 255 && bytes[2] == 64 && bytes[3] == 0 && bytes[4] == 0);
    CHECK(range.nonfinite == 3 && range.any && range.low == -2 && range.high == 0.25);
    tensor_to_output(&spec, values, 5, ROUND_HALF_EVEN, FORMAT_F32, floats, &range);
    CHECK(memcmp(values, floats, sizeof values) == 0 && range.nonfinite == 3);
    tensor_to_output(&spec, values, 2, ROUND_HALF_EVEN, FORMAT_U8, bytes, &range);
    CHECK(range.nonfinite == 2 && !range.any);
    tensor_to_output(&spec, values, 0, ROUND_HALF_EVEN, FORMAT_U8, bytes, &range);
    CHECK(range.nonfinite == 0 && !range.any);
}

static void test_round_trip(const char *text, bool exact_every_byte) {
    struct tensor_spec spec = spec_of(text);
    struct value_range range;
    uint8_t in[256], out[256];
    float tensor[256];
    for (unsigned b = 0; b < 256; b++) {
        in[b] = (uint8_t)b;
    }
    bytes_to_tensor(&spec, in, 256, tensor);
    tensor_to_output(&spec, tensor, 256, ROUND_HALF_EVEN, FORMAT_U8, out, &range);
    check(!exact_every_byte || memcmp(in, out, 256) == 0, __FILE__, __LINE__, text);
    CHECK(range.nonfinite == 0);
}

static void test_quantised(void) {
    struct tensor_spec spec = spec_of("-:int8:0:1:0.00392156862745098:-128");
    struct tensor_spec coarse = spec_of("-:int8:0:255:2:0");
    struct tensor_spec wild = spec_of("-:uint8:-1e300:1e300:1e-300:3");
    struct value_range range;
    uint8_t in[4] = {0, 1, 127, 255};
    int8_t quantised[4];
    float floats[4];
    bytes_to_tensor(&spec, in, 4, quantised);
    CHECK(quantised[0] == -128 && quantised[1] == -127 && quantised[2] == -1);
    CHECK(quantised[3] == 127);
    tensor_to_output(&spec, quantised, 4, ROUND_TRUNCATE, FORMAT_F32, floats, &range);
    CHECK(floats[0] == 0 && floats[3] == 1 && range.low == 0);
    CHECK(range.high == 255 * 0.00392156862745098);
    bytes_to_tensor(&coarse, in, 4, quantised); /* 0, 0.5 to even, 63.5 to even, clamped */
    CHECK(quantised[0] == 0 && quantised[1] == 0 && quantised[2] == 64 && quantised[3] == 127);
    bytes_to_tensor(&wild, in, 4, quantised);
    CHECK((uint8_t)quantised[0] == 0 && (uint8_t)quantised[3] == 255);
    struct tensor_spec negative = spec_of("-:int8:-1:1:0.01:10");
    in[0] = 0;
    bytes_to_tensor(&negative, in, 1, quantised); /* -100 + 10 */
    CHECK(quantised[0] == -90);
}

/* What tensor_to_output must give for floats: one element after the other. */
static void one_by_one(const struct tensor_spec *spec, const float *floats, size_t count,
                       enum rounding rounding, uint8_t *bytes, struct value_range *range) {
    memset(range, 0, sizeof *range);
    for (size_t i = 0; i < count; i++) {
        double real = (double)floats[i];
        bytes[i] = byte_of_real(spec, real, rounding);
        if (real - real != 0) {
            range->nonfinite++;
            continue;
        }
        range->low = !range->any || real < range->low ? real : range->low;
        range->high = !range->any || real > range->high ? real : range->high;
        range->any = true;
    }
}

static void check_floats(const struct tensor_spec *spec, const float *floats, size_t count,
                         const char *what) {
    static uint8_t want[4100], have[4100];
    static float same[4100];
    struct value_range wanted, range;
    for (enum rounding rounding = ROUND_HALF_EVEN; rounding <= ROUND_TRUNCATE; rounding++) {
        one_by_one(spec, floats, count, rounding, want, &wanted);
        tensor_to_output(spec, floats, count, rounding, FORMAT_U8, have, &range);
        check(memcmp(want, have, count) == 0, __FILE__, __LINE__, what);
        check(range.nonfinite == wanted.nonfinite && range.any == wanted.any &&
                  range.low == wanted.low && range.high == wanted.high,
              __FILE__, __LINE__, what);
    }
    tensor_to_output(spec, floats, count, ROUND_HALF_EVEN, FORMAT_F32, same, &range);
    check(memcmp(floats, same, count * sizeof *same) == 0, __FILE__, __LINE__, what);
    CHECK(range.nonfinite == wanted.nonfinite && range.high == wanted.high);
}

/* The fast loops against the rule for one element, over random and edge values. */
static void test_fast_floats(void) {
    static const char *const SPECS[] = {
        "-:float32:0:1:0:0", "-:float32:-1:1:0:0", "-:float32:0:255:0:0", "-:float32:1:-1:0:0",
        "-:float32:-123.68:131.32:0:0", "-:float32:0.1:0.7:0:0", "-:float32:-1e300:1e300:0:0",
        "-:float32:0:1e-300:0:0", "-:float32:0:510:0:0", NULL};
    static float floats[4100];
    uint64_t state = 7;
    for (size_t s = 0; SPECS[s] != NULL; s++) {
        struct tensor_spec spec = spec_of(SPECS[s]);
        for (size_t i = 0; i < 4100; i++) { /* any bits: NaN and infinities too */
            uint32_t bits = (uint32_t)splitmix64(&state);
            memcpy(&floats[i], &bits, sizeof bits);
        }
        check_floats(&spec, floats, 4100, "any bits");
        for (size_t i = 0; i < 4100; i++) { /* somewhat more than the range */
            double part = (double)(splitmix64(&state) >> 11) / 9007199254740992.0;
            floats[i] = (float)(spec.low + (part * 1.2 - 0.1) * (spec.high - spec.low));
        }
        static const size_t COUNTS[] = {0, 1, 7, 1023, 1024, 1025, 4100};
        for (size_t i = 0; i < sizeof COUNTS / sizeof COUNTS[0]; i++) {
            check_floats(&spec, floats, COUNTS[i], "within the range");
        }
        floats[2000] = 0.0f;
        floats[2001] = -0.0f;
        floats[3000] = (float)(1e308 * 10);
        check_floats(&spec, floats, 4100, "an infinity in the third block");
        for (size_t i = 0; i < 511 * 8; i += 8) { /* all bytes and halves, and their neighbours */
            float middle = (float)(spec.low + (double)(i / 8) / 2 * (spec.high - spec.low) / 255);
            int32_t bits;
            memcpy(&bits, &middle, sizeof bits);
            for (size_t j = 0; j < 8; j++) {
                int32_t near = (int32_t)((uint32_t)bits + (uint32_t)j - 4);
                memcpy(&floats[i + j], &near, sizeof near);
            }
        }
        check_floats(&spec, floats, 511 * 8, "bytes and halves");
    }
    struct tensor_spec spec = spec_of("-:float32:0:1:0:0");
    struct value_range range;
    uint8_t bytes[2];
    floats[0] = -0.0f; /* one zero only, so that -0 is not in the events */
    tensor_to_output(&spec, floats, 1, ROUND_HALF_EVEN, FORMAT_U8, bytes, &range);
    CHECK(1 / range.low > 0 && 1 / range.high > 0);
    tensor_to_output(&spec, NULL, 0, ROUND_HALF_EVEN, FORMAT_U8, bytes, &range);
    CHECK(!range.any && range.nonfinite == 0);
}

/* A scale so large that reals are infinite: counted once for each element. */
static void test_infinite_reals(void) {
    struct tensor_spec spec = spec_of("-:int8:0:1:1e308:0");
    struct value_range range;
    int8_t tensor[5] = {0, 1, -128, 127, -128};
    uint8_t bytes[5];
    tensor_to_output(&spec, tensor, 5, ROUND_HALF_EVEN, FORMAT_U8, bytes, &range);
    CHECK(range.nonfinite == 3 && range.low == 0 && range.high == 1e308);
    CHECK(bytes[0] == 0 && bytes[1] == 255 && bytes[2] == 0 && bytes[3] == 255);
}

void test_convert(void) {
    test_fast_floats();
    test_infinite_reals();
    test_rounding();
    test_not_finite();
    test_round_trip("-:float32:0:1:0:0", true);
    test_round_trip("-:float32:-1:1:0:0", true);
    test_round_trip("-:float32:0:255:0:0", true);
    test_round_trip("-:float32:-123.68:131.32:0:0", true);
    test_round_trip("-:float32:1:-1:0:0", true);
    test_round_trip("-:int8:0:1:0.00392156862745098:-128", true);
    test_round_trip("-:uint8:0:1:0.00392156862745098:0", true);
    test_round_trip("-:uint8:-1:1:0:0", true);
    test_round_trip("-:uint8:0:1:0.1:5", false);
    test_quantised();
    struct tensor_spec plain = spec_of("-:uint8:-1:1:0:0");
    struct value_range range;
    uint8_t byte = 255;
    float real;
    tensor_to_output(&plain, &byte, 1, ROUND_HALF_EVEN, FORMAT_F32, &real, &range);
    CHECK(real == 1.0f && range.high == 1.0);
}
