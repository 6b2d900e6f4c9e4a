/* The sums behind PSNR, SSIM and LPIPS, for Python on the host through ctypes.
 *
 * One library, the kernels several times inside it: for what every machine of the target has, and
 * on x86-64 for AVX2 and AVX-512, chosen when the library is asked. bokehbench/fidelity/native.py
 * is its only caller and holds the same structures; FIDELITY_INTERFACE is raised with each change.
 */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define FIDELITY_INTERFACE 2

#define SSIM_MAX_TAPS 65
#define SSIM_MAPS 4

/* Output rows that one pass downwards makes, so that each input row is read once for all of them. */
#define SSIM_STEP 4

/* Columns of a tile: the ring of rows of a window of 11 takes 200 kB, which stays in a core's
 * second cache. */
#define SSIM_TILE 128

/* Elements between rows of a tile: the columns, what the last vector reads beyond, and one cache
 * line, so that rows do not all fall on the same lines. */
#define SSIM_PITCH(columns, taps) ((3 * ((columns) + (taps) - 1) + 63) / 16 * 16 + 8)

/* Two images of three interleaved channels. Strides are bytes between rows. */
struct ssim_image {
    const char *prediction;
    const char *reference;
    ptrdiff_t prediction_stride;
    ptrdiff_t reference_stride;
    size_t columns;
    int32_t is_u8;
};

/* What "SSIM" means: the window along one axis, the constants, and what makes a covariance of
 * n pixels unbiased (n / (n - 1), or 1). `shift` is the middle of the range of values. */
struct ssim_rule {
    double window[SSIM_MAX_TAPS];
    size_t taps;
    double shift;
    double c1;
    double c2;
    double covariance_factor;
};

/* The compiler's own vectors: they become whatever registers there are. */
typedef double Doubles __attribute__((vector_size(64), aligned(8)));
typedef float Floats __attribute__((vector_size(64), aligned(4)));

#define INLINE static inline __attribute__((always_inline))
#define PASTE(a, b) a##b
#define JOIN(a, b) PASTE(a, b)

#define KERNEL(name) JOIN(name, _baseline)
#include "kernels.h"
#undef KERNEL

#if defined(__x86_64__)
#include <cpuid.h>

#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define KERNEL(name) JOIN(name, _avx2)
#include "kernels.h"
#undef KERNEL
#pragma clang attribute pop

#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,fma"))),     \
                             apply_to = function)
#define KERNEL(name) JOIN(name, _avx512)
#include "kernels.h"
#undef KERNEL
#pragma clang attribute pop

/* 0 baseline, 1 AVX2 and FMA, 2 AVX-512 F, DQ, BW and VL; registers that the kernel saves. */
static int level_of_this_cpu(void) {
    unsigned a, b, c, d, low, high;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) || !(c & bit_FMA)) {
        return 0;
    }
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    (void)high;
    if ((low & 0x06) != 0x06 || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & bit_AVX2)) {
        return 0;
    }
    const unsigned wanted = bit_AVX512F | bit_AVX512DQ | bit_AVX512BW | bit_AVX512VL;
    return (low & 0xe6) == 0xe6 && (b & wanted) == wanted ? 2 : 1;
}
#define CALL(level, name, ...)                                                                     \
    ((level) == 2   ? name##_avx512(__VA_ARGS__)                                                   \
     : (level) == 1 ? name##_avx2(__VA_ARGS__)                                                     \
                    : name##_baseline(__VA_ARGS__))
#else
static int level_of_this_cpu(void) { return 0; }
#define CALL(level, name, ...) ((void)(level), name##_baseline(__VA_ARGS__))
#endif

#define EXPORT __attribute__((visibility("default")))

EXPORT int32_t fidelity_interface(void);
EXPORT int32_t fidelity_level(void);
EXPORT uint64_t fidelity_squared_u8(int32_t level, const uint8_t *a, ptrdiff_t a_stride,
                                    const uint8_t *b, ptrdiff_t b_stride, size_t rows,
                                    size_t columns);
EXPORT double fidelity_squared_f64(int32_t level, const char *a, ptrdiff_t a_stride, const char *b,
                                   ptrdiff_t b_stride, size_t rows, size_t columns);
EXPORT size_t fidelity_ssim_scratch(size_t taps);
EXPORT int32_t fidelity_ssim(int32_t level, const struct ssim_image *image,
                             const struct ssim_rule *rule, size_t top, size_t rows, void *scratch,
                             double *sums);
EXPORT double fidelity_lpips_layer(int32_t level, const float *a, const float *b,
                                   const float *weights, size_t pixels, size_t channels);
EXPORT void fidelity_lpips_input(const uint8_t *image, ptrdiff_t stride, size_t rows,
                                 size_t columns, const float *values, size_t top, size_t left,
                                 size_t blocks, float *out);

/* The version of this interface. */
int32_t fidelity_interface(void) { return FIDELITY_INTERFACE; }

/* The highest level that this machine has; callers may ask for lower ones. */
int32_t fidelity_level(void) { return level_of_this_cpu(); }

/* Sum of squared differences; `columns` counts elements, strides are bytes. */
uint64_t fidelity_squared_u8(int32_t level, const uint8_t *a, ptrdiff_t a_stride, const uint8_t *b,
                             ptrdiff_t b_stride, size_t rows, size_t columns) {
    return CALL(level, squared_u8, a, a_stride, b, b_stride, rows, columns);
}

double fidelity_squared_f64(int32_t level, const char *a, ptrdiff_t a_stride, const char *b,
                            ptrdiff_t b_stride, size_t rows, size_t columns) {
    return CALL(level, squared_f64, a, a_stride, b, b_stride, rows, columns);
}

/* Bytes of scratch memory that one call of fidelity_ssim needs. */
size_t fidelity_ssim_scratch(size_t taps) {
    size_t pitch = SSIM_PITCH((size_t)SSIM_TILE, taps);
    return pitch * sizeof(double) * (2 + SSIM_MAPS * (taps + SSIM_STEP - 1 + SSIM_STEP));
}

/* Adds to sums[0..2] SSIM, to sums[3..5] contrast-structure, by channel, over the positions of
 * `rows` rows from `top` (of the window's first row). -1 for a window that can't be. */
int32_t fidelity_ssim(int32_t level, const struct ssim_image *image, const struct ssim_rule *rule,
                      size_t top, size_t rows, void *scratch, double *sums) {
    if (rule->taps < 1 || rule->taps > SSIM_MAX_TAPS || image->columns < rule->taps) {
        return -1;
    }
    CALL(level, ssim, image, rule, top, rows, scratch, sums);
    return 0;
}

/* Sum over `pixels` of one layer's distance. */
double fidelity_lpips_layer(int32_t level, const float *a, const float *b, const float *weights,
                            size_t pixels, size_t channels) {
    return CALL(level, lpips_layer, a, b, weights, pixels, channels);
}

/* uint8 RGB -> float32 RGB through a table of 3 x 256 values, into blocks of 4 x 4 pixels.
 *
 * The image's corner is the pixel (top, left) of what is tiled by rows of `blocks` blocks, each with
 * its 48 values in a row. */
void fidelity_lpips_input(const uint8_t *image, ptrdiff_t stride, size_t rows, size_t columns,
                          const float *values, size_t top, size_t left, size_t blocks, float *out) {
    for (size_t row = 0; row < rows; ++row, image += stride) {
        size_t y = top + row;
        float *line = out + (y / 4) * blocks * 48 + (y % 4) * 12;
        for (size_t column = 0; column < columns; ++column) {
            size_t x = left + column;
            float *to = line + (x / 4) * 48 + (x % 4) * 3;
            for (size_t channel = 0; channel < 3; ++channel) {
                to[channel] = values[256 * channel + image[3 * column + channel]];
            }
        }
    }
}
