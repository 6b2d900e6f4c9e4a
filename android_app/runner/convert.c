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

uint8_t byte_of_real(const struct tensor_spec *spec, double real, enum rounding rounding) {
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

static void note(struct value_range *range, double real, uint64_t times) {
    if (real - real != 0) { /* NaN and the infinities */
        range->nonfinite += times;
        return;
    }
    real += 0.0; /* one zero, whichever of the two came first */
    range->low = !range->any || real < range->low ? real : range->low;
    range->high = !range->any || real > range->high ? real : range->high;
    range->any = true;
}

/* Floats are taken in blocks that stay in the cache, in loops without branches that compilers
 * turn into vector code: ten times as fast as byte_of_real and note for each. */
enum { BLOCK = 1024 };

/* A float's bits as a number that orders as the reals do; its own inverse. The infinities lie
 * beyond all finite values, NaN beyond them. */
static int32_t order_of_bits(int32_t bits) {
    return bits < 0 ? bits ^ INT32_MAX : bits;
}

static void note_order(struct value_range *range, int32_t order) {
    int32_t bits = order_of_bits(order);
    float real;
    memcpy(&real, &bits, sizeof real);
    note(range, (double)real, 1);
}

static void note_floats(struct value_range *range, const float *floats, size_t count) {
    static const int32_t INFINITE = 0x7f800000;
    int32_t low = INT32_MAX;
    int32_t high = INT32_MIN;
    for (size_t i = 0; i < count; i++) {
        int32_t bits;
        memcpy(&bits, &floats[i], sizeof bits);
        int32_t order = order_of_bits(bits);
        low = order < low ? order : low;
        high = order > high ? order : high;
    }
    if (low > ~INFINITE && high < INFINITE) {
        note_order(range, low);
        note_order(range, high);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        note(range, (double)floats[i], 1);
    }
}

static void round_floats(const struct tensor_spec *spec, const float *floats, size_t count,
                         enum rounding rounding, uint8_t *bytes) {
    double values[BLOCK];
    double low = spec->low;
    double width = spec->high - spec->low;
    for (size_t i = 0; i < count; i++) {
        double value = ((double)floats[i] - low) * 255.0 / width;
        value = value > 0 ? value : 0; /* NaN too */
        values[i] = value < 255 ? value : 255;
    }
    if (rounding == ROUND_HALF_EVEN) {
        for (size_t i = 0; i < count; i++) {
            /* At 2^52 the last bit of a double is 1: the addition rounds. */
            double sum = values[i] + 4503599627370496.0;
            uint64_t bits;
            memcpy(&bits, &sum, sizeof bits);
            bytes[i] = (uint8_t)bits;
        }
    } else {
        double least = rounding == ROUND_HALF_UP ? 0.5 : 1.0; /* that rounds up */
        for (size_t i = 0; i < count; i++) {
            int32_t whole = (int32_t)values[i];
            bytes[i] = (uint8_t)(whole + (values[i] - (double)whole >= least));
        }
    }
}

static void floats_to_output(const struct tensor_spec *spec, const float *floats,
                             size_t elements, enum rounding rounding,
                             enum output_format format, void *out, struct value_range *range) {
    for (size_t start = 0; start < elements; start += BLOCK) {
        size_t count = elements - start < BLOCK ? elements - start : BLOCK;
        note_floats(range, floats + start, count);
        if (format == FORMAT_F32) {
            memcpy((float *)out + start, floats + start, count * sizeof *floats);
        } else {
            round_floats(spec, floats + start, count, rounding, (uint8_t *)out + start);
        }
    }
}

static double real_of_element(const struct tensor_spec *spec, uint8_t bits) {
    if (spec->scale == 0) {
        return real_of_byte(spec, bits);
    }
    int value = spec->type == TYPE_INT8 && bits >= 128 ? (int)bits - 256 : (int)bits;
    return ((double)value - (double)spec->zero) * spec->scale;
}

static void elements_to_output(const struct tensor_spec *spec, const uint8_t *tensor,
                               size_t elements, enum rounding rounding,
                               enum output_format format, void *out,
                               struct value_range *range) {
    uint64_t times[256] = {0};
    float reals[256];
    uint8_t rounded[256];
    for (unsigned bits = 0; bits < 256; bits++) {
        double real = real_of_element(spec, (uint8_t)bits);
        reals[bits] = (float)real;
        rounded[bits] =
            spec->scale == 0 ? (uint8_t)bits : byte_of_real(spec, real, rounding);
    }
    for (size_t i = 0; i < elements; i++) {
        times[tensor[i]]++;
    }
    for (unsigned bits = 0; bits < 256; bits++) {
        if (times[bits] > 0) {
            note(range, real_of_element(spec, (uint8_t)bits), times[bits]);
        }
    }
    if (format == FORMAT_F32) {
        for (size_t i = 0; i < elements; i++) {
            ((float *)out)[i] = reals[tensor[i]];
        }
    } else {
        for (size_t i = 0; i < elements; i++) {
            ((uint8_t *)out)[i] = rounded[tensor[i]];
        }
    }
}

void tensor_to_output(const struct tensor_spec *spec, const void *tensor, size_t elements,
                      enum rounding rounding, enum output_format format, void *out,
                      struct value_range *range) {
    memset(range, 0, sizeof *range);
    if (spec->type == TYPE_FLOAT32) {
        floats_to_output(spec, tensor, elements, rounding, format, out, range);
    } else {
        elements_to_output(spec, tensor, elements, rounding, format, out, range);
    }
}
