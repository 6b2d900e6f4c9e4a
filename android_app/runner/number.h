/* Number texts read strictly, and multiplication that notices overflow. */
#ifndef BOKEHBENCH_NUMBER_H
#define BOKEHBENCH_NUMBER_H

#include "libc.h"

/* Decimal digits only: no sign, no blank, no leading zero. */
bool parse_unsigned(const char *text, uint64_t max, uint64_t *value);
/* Hexadecimal digits only, one to sixteen of them. */
bool parse_hexadecimal(const char *text, uint64_t *value);
/* One to `max` hexadecimal digits, in small letters. */
bool is_hexadecimal(const char *text, size_t max);
/* A whole decimal number that may be negative. */
bool parse_integer(const char *text, int64_t min, int64_t max, int64_t *value);
/* A finite decimal number: digits, sign, point, exponent. */
bool parse_real(const char *text, double *value);

bool size_multiply(size_t a, size_t b, size_t *product);

#endif
