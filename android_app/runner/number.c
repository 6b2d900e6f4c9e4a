#include "number.h"

bool parse_unsigned(const char *text, uint64_t max, uint64_t *value) {
    uint64_t sum = 0;
    if (text[0] == '\0' || (text[0] == '0' && text[1] != '\0')) {
        return false;
    }
    for (const char *at = text; *at != '\0'; at++) {
        if (*at < '0' || *at > '9') {
            return false;
        }
        uint64_t digit = (uint64_t)(*at - '0');
        if (sum > (UINT64_MAX - digit) / 10) {
            return false;
        }
        sum = sum * 10 + digit;
    }
    if (sum > max) {
        return false;
    }
    *value = sum;
    return true;
}

bool parse_hexadecimal(const char *text, uint64_t *value) {
    uint64_t sum = 0;
    size_t length = 0;
    for (; text[length] != '\0'; length++) {
        char digit = text[length];
        uint64_t nibble;
        if (digit >= '0' && digit <= '9') {
            nibble = (uint64_t)(digit - '0');
        } else if (digit >= 'a' && digit <= 'f') {
            nibble = (uint64_t)(digit - 'a') + 10;
        } else if (digit >= 'A' && digit <= 'F') {
            nibble = (uint64_t)(digit - 'A') + 10;
        } else {
            return false;
        }
        if (length == 16) {
            return false;
        }
        sum = (sum << 4) | nibble;
    }
    *value = sum;
    return length > 0;
}

bool is_hexadecimal(const char *text, size_t max) {
    size_t length = 0;
    while ((text[length] >= '0' && text[length] <= '9') ||
           (text[length] >= 'a' && text[length] <= 'f')) {
        length++;
    }
    return text[length] == '\0' && length > 0 && length <= max;
}

bool parse_integer(const char *text, int64_t min, int64_t max, int64_t *value) {
    bool negative = text[0] == '-';
    uint64_t size;
    if (!parse_unsigned(negative ? text + 1 : text, INT64_MAX, &size)) {
        return false;
    }
    int64_t signed_value = negative ? -(int64_t)size : (int64_t)size;
    if (signed_value < min || signed_value > max) {
        return false;
    }
    *value = signed_value;
    return true;
}

bool parse_real(const char *text, double *value) {
    bool digits = false;
    for (const char *at = text; *at != '\0'; at++) {
        /* strtod alone would take blanks, hexadecimal, "inf" and "nan". */
        bool digit = *at >= '0' && *at <= '9';
        if (!digit && *at != '+' && *at != '-' && *at != '.' && *at != 'e' && *at != 'E') {
            return false;
        }
        digits = digits || digit;
    }
    if (!digits) {
        return false;
    }
    char *end = NULL;
    double result = strtod(text, &end);
    if (end == text || *end != '\0' || result - result != 0.0) { /* inf - inf is NaN */
        return false;
    }
    *value = result;
    return true;
}

bool size_multiply(size_t a, size_t b, size_t *product) {
    if (b != 0 && a > SIZE_MAX / b) {
        return false;
    }
    *product = a * b;
    return true;
}
