#include "../events.h"
#include "../number.h"
#include "../rng.h"
#include "check.h"

void test_numbers(void) {
    uint64_t value;
    int64_t whole;
    double real;
    size_t size;
    CHECK(parse_unsigned("0", 9, &value) && value == 0);
    CHECK(parse_unsigned("18446744073709551615", UINT64_MAX, &value) && value == UINT64_MAX);
    CHECK(!parse_unsigned("18446744073709551616", UINT64_MAX, &value));
    CHECK(!parse_unsigned("10", 9, &value));
    CHECK(!parse_unsigned("", 9, &value) && !parse_unsigned("01", 9, &value));
    CHECK(!parse_unsigned("+1", 9, &value) && !parse_unsigned(" 1", 9, &value));
    CHECK(!parse_unsigned("1 ", 9, &value) && !parse_unsigned("-1", 9, &value));
    CHECK(parse_hexadecimal("f0", &value) && value == 0xf0);
    CHECK(parse_hexadecimal("ffffffffffffffff", &value) && value == UINT64_MAX);
    CHECK(!parse_hexadecimal("10000000000000000", &value) && !parse_hexadecimal("", &value));
    CHECK(!parse_hexadecimal("0x1", &value));
    CHECK(parse_integer("-128", -128, 127, &whole) && whole == -128);
    CHECK(!parse_integer("128", -128, 127, &whole) && !parse_integer("--1", -9, 9, &whole));
    CHECK(parse_real("-1.5e-3", &real) && real == -1.5e-3);
    CHECK(parse_real("0.00392156862745098", &real) && real == 0.00392156862745098);
    CHECK(!parse_real("", &real) && !parse_real("nan", &real) && !parse_real("inf", &real));
    CHECK(!parse_real("0x10", &real) && !parse_real(" 1", &real) && !parse_real("1e999", &real));
    CHECK(!parse_real("1.5.2", &real) && !parse_real("e", &real) && !parse_real("-", &real));
    CHECK(size_multiply(3, 4, &size) && size == 12 && size_multiply(SIZE_MAX, 0, &size));
    CHECK(!size_multiply(SIZE_MAX / 2 + 1, 2, &size));
}

void test_digest(void) {
    /* FIPS 180-4 examples and the lengths around the padding's edge. */
    char text[SHA256_TEXT];
    sha256_of("", 0, text);
    CHECK_TEXT(text, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256_of("abc", 3, text);
    CHECK_TEXT(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56, text);
    CHECK_TEXT(text, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    struct sha256 sha;
    sha256_init(&sha);
    for (int i = 0; i < 1000000; i += 50) {
        sha256_update(&sha, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 50);
    }
    sha256_text(&sha, text);
    CHECK_TEXT(text, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    sha256_text(&sha, text); /* reading it changes nothing */
    CHECK_TEXT(text, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    sha256_of("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 63, text);
    CHECK_TEXT(text, "7d3e74a05d7db15bce4ad9ec0658ea98e3f06eeecf16b4c6fff2da457ddc2f34");
    sha256_of("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 64, text);
    CHECK_TEXT(text, "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb");

    uint64_t state = 1234567; /* the published test vector of SplitMix64 */
    CHECK(splitmix64(&state) == 6457827717110365317u);
    CHECK(splitmix64(&state) == 3203168211198807973u);
    CHECK(splitmix64(&state) == 9817491932198370423u);
    uint8_t bytes[11], other[11];
    random_bytes(1234567, 0, bytes, sizeof bytes);
    for (unsigned i = 0; i < 8; i++) {
        CHECK(bytes[i] == (uint8_t)(6457827717110365317u >> (8 * i)));
    }
    CHECK(bytes[10] == (uint8_t)(3203168211198807973u >> 16));
    random_bytes(1234567, 1, other, sizeof other);
    CHECK(memcmp(bytes, other, sizeof bytes) != 0);
    random_bytes(1234567, 1, other, 0);
}

/* What `bytes` become as a JSON string. */
static void check_string(const char *bytes, size_t length, const char *want) {
    struct events events;
    char have[256], whole[300];
    int pipes[2];
    if (!CHECK(pipe(pipes) == 0)) {
        return;
    }
    events_init(&events, pipes[1]);
    event_begin(&events, "e");
    event_bytes(&events, "k", bytes, length);
    event_end(&events);
    ssize_t got = read(pipes[0], have, sizeof have - 1);
    have[got > 0 ? got : 0] = '\0';
    snprintf(whole, sizeof whole, "{\"event\":\"e\",\"k\":\"%s\"}\n", want);
    CHECK_TEXT(have, whole);
    close(pipes[0]);
    close(pipes[1]);
}

void test_events(void) {
    check_string("plain", 5, "plain");
    check_string("a\"b\\c", 5, "a\\\"b\\\\c");
    check_string("\n\t\r\0\x7f", 5, "\\u000a\\u0009\\u000d\\u0000\\u007f");
    check_string("\xc3\xa9\xe2\x82\xac\xf0\x9f\x93\xb7", 9, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x93\xb7");
    check_string("\xff", 1, "\\ufffd");
    check_string("\xc3", 1, "\\ufffd");                         /* cut off */
    check_string("\xc0\xaf", 2, "\\ufffd\\ufffd");              /* overlong */
    check_string("\xe0\x80\x80", 3, "\\ufffd\\ufffd\\ufffd");   /* overlong */
    check_string("\xed\xa0\x80", 3, "\\ufffd\\ufffd\\ufffd");   /* surrogate */
    check_string("\xf4\x90\x80\x80", 4, "\\ufffd\\ufffd\\ufffd\\ufffd"); /* above 10FFFF */
    check_string("\xe2\x82x", 3, "\\ufffd\\ufffdx");
    check_string("\x80", 1, "\\ufffd");

    struct events events;
    char have[1024], want[1024], digest[SHA256_TEXT];
    int pipes[2];
    if (!CHECK(pipe(pipes) == 0)) {
        return;
    }
    events_init(&events, pipes[1]);
    event_begin(&events, "x");
    event_unsigned(&events, "u", UINT64_MAX);
    event_integer(&events, "i", INT64_MIN);
    event_real(&events, "r", 0.1);
    event_bool(&events, "b", true);
    event_null(&events, "n");
    event_text(&events, "t", NULL);
    event_open(&events, "l", '[');
    event_unsigned(&events, NULL, 1);
    event_open(&events, NULL, '{');
    event_unsigned(&events, "a", 2);
    event_close(&events, '}');
    event_close(&events, ']');
    event_open(&events, "e", '[');
    event_close(&events, ']');
    event_end(&events);
    events_done(&events);
    ssize_t got = read(pipes[0], have, sizeof have - 1);
    have[got > 0 ? got : 0] = '\0';
    static const char FIRST[] =
        "{\"event\":\"x\",\"u\":18446744073709551615,\"i\":-9223372036854775808,"
        "\"r\":0.10000000000000001,\"b\":true,\"n\":null,\"t\":null,\"l\":[1,{\"a\":2}],"
        "\"e\":[]}\n";
    sha256_of(FIRST, sizeof FIRST - 1, digest);
    snprintf(want, sizeof want, "%s{\"event\":\"done\",\"events\":1,\"sha256\":\"%s\"}\n", FIRST,
             digest);
    CHECK_TEXT(have, want);
    close(pipes[0]);
    close(pipes[1]);

    events_init(&events, -1); /* nowhere to write */
    event_begin(&events, "x");
    event_end(&events);
    CHECK(events.broken);
}
