/* Image bytes to tensor elements and back, by the rules of docs/protocol.md. */
#ifndef BOKEHBENCH_CONVERT_H
#define BOKEHBENCH_CONVERT_H

#include "tensor.h"

enum rounding { ROUND_HALF_EVEN, ROUND_HALF_UP, ROUND_TRUNCATE };
enum output_format { FORMAT_U8, FORMAT_F32 };

struct value_range {
    uint64_t nonfinite;
    bool any; /* low and high hold something */
    double low;
    double high;
};

void bytes_to_tensor(const struct tensor_spec *spec, const uint8_t *bytes, size_t elements,
                     void *tensor);
/* The rule for one element. tensor_to_output gives the same, faster. */
uint8_t byte_of_real(const struct tensor_spec *spec, double real, enum rounding rounding);
/* `out` has one byte or one float an element, as `format` says. */
void tensor_to_output(const struct tensor_spec *spec, const void *tensor, size_t elements,
                      enum rounding rounding, enum output_format format, void *out,
                      struct value_range *range);

size_t format_size(enum output_format format);
const char *format_name(enum output_format format);

#endif
