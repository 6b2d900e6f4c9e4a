#include "../convert.h"

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

void test_convert(void) {
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
