#include "convert.h"

/* Built with -ffp-contract=off: a fused multiply-add rounds once where the host's numpy rounds
 * twice, and the bytes would differ between machines. */

size_t format_size(enum output_format format) {
    return format == FORMAT_F32 ? 4 : 1;
}

const char *format_name(enum output_format format) {
    return format == FORMAT_F32 ? "f32" : "u8";
}

static double real_of_byte(const struct tensor_spec *spec, uint8_t byte) {
    return spec->low + (double)byte * (spec->high - spec->low) / 255.0;
}

/* Round half to even without the maths library; the caller keeps |value| below 2^52. */
static double round_half_even(double value) {
    int64_t whole = (int64_t)value; /* towards zero */
    double rest = value - (double)whole;
    if (rest > 0.5 || (rest == 0.5 && (whole & 1) != 0)) {
        whole++;
    } else if (rest < -0.5 || (rest == -0.5 && (whole & 1) != 0)) {
        whole--;
    }
    return (double)whole;
}

static int quantise(const struct tensor_spec *spec, double real) {
    int low = spec->type == TYPE_INT8 ? -128 : 0;
    int high = low + 255;
    double steps = real / spec->scale;
    /* Beyond this the zero point (32 bits) can't bring it back into the range. */
    if (steps > 1e12) {
        return high;
    }
    if (steps < -1e12) {
        return low;
    }
    double value = round_half_even(steps) + (double)spec->zero;
    return value < low ? low : value > high ? high : (int)value;
}

void bytes_to_tensor(const struct tensor_spec *spec, const uint8_t *bytes, size_t elements,
                     void *tensor) {
    if (spec->type == TYPE_FLOAT32) {
        float table[256];
        float *floats = tensor;
        for (unsigned b = 0; b < 256; b++) {
            table[b] = (float)real_of_byte(spec, (uint8_t)b);
        }
        for (size_t i = 0; i < elements; i++) {
            floats[i] = table[bytes[i]];
        }
    } else if (spec->scale == 0) {
        memcpy(tensor, bytes, elements);
    } else {
        uint8_t table[256];
        uint8_t *quantised = tensor;
        for (unsigned b = 0; b < 256; b++) {
            /* int8 through its bit pattern */
            table[b] = (uint8_t)quantise(spec, real_of_byte(spec, (uint8_t)b));
        }
        for (size_t i = 0; i < elements; i++) {
            quantised[i] = table[bytes[i]];
        }
    }
}

static uint8_t byte_of_real(const struct tensor_spec *spec, double real,
                            enum rounding rounding) {
    double value = (real - spec->low) * 255.0 / (spec->high - spec->low);
    if (!(value > 0)) { /* NaN too */
        return 0;
    }
    if (value >= 255) {
        return 255;
    }
    unsigned whole = (unsigned)value;
    double rest = value - (double)whole;
    bool up = rounding == ROUND_HALF_UP ? rest >= 0.5
              : rounding == ROUND_HALF_EVEN
                  ? rest > 0.5 || (rest == 0.5 && (whole & 1) != 0)
                  : false;
    return (uint8_t)(whole + up);
}

static double real_of_element(const struct tensor_spec *spec, uint8_t bits) {
    if (spec->scale == 0) {
        return real_of_byte(spec, bits);
    }
    int value = spec->type == TYPE_INT8 && bits >= 128 ? (int)bits - 256 : (int)bits;
    return ((double)value - (double)spec->zero) * spec->scale;
}

static void note(struct value_range *range, double real) {
    if (real - real != 0) { /* NaN and the infinities */
        range->nonfinite++;
        return;
    }
    range->low = !range->any || real < range->low ? real : range->low;
    range->high = !range->any || real > range->high ? real : range->high;
    range->any = true;
}

void tensor_to_output(const struct tensor_spec *spec, const void *tensor, size_t elements,
                      enum rounding rounding, enum output_format format, void *out,
                      struct value_range *range) {
    uint8_t *bytes = out;
    float *floats = out;
    double reals[256];
    uint8_t rounded[256];
    memset(range, 0, sizeof *range);
    if (spec->type != TYPE_FLOAT32) {
        for (unsigned b = 0; b < 256; b++) {
            reals[b] = real_of_element(spec, (uint8_t)b);
            rounded[b] = spec->scale == 0 ? (uint8_t)b : byte_of_real(spec, reals[b], rounding);
        }
    }
    for (size_t i = 0; i < elements; i++) {
        uint8_t bits = spec->type == TYPE_FLOAT32 ? 0 : ((const uint8_t *)tensor)[i];
        double real = spec->type == TYPE_FLOAT32 ? (double)((const float *)tensor)[i] : reals[bits];
        note(range, real);
        if (format == FORMAT_F32) {
            floats[i] = (float)real;
        } else {
            bytes[i] = spec->type == TYPE_FLOAT32 ? byte_of_real(spec, real, rounding)
                                                  : rounded[bits];
        }
    }
}
