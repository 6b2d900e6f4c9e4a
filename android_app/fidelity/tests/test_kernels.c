/* The kernels on buffers of exactly the size they may touch, for the sanitizers to watch.
 *
 * Values are checked against plain sums; tests/fidelity checks them against scikit-image.
 */

#include "../kernels.c"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static int failures;

static void near(const char *what, double found, double expected, double tolerance) {
    if (!(fabs(found - expected) <= tolerance)) {
        fprintf(stderr, "%s: %.17g instead of %.17g\n", what, found, expected);
        ++failures;
    }
}

static void *exactly(size_t size) {
    void *memory = malloc(size);
    if (memory == NULL) {
        abort();
    }
    return memory;
}

static uint32_t state = 1;

static uint8_t any_byte(void) {
    state = state * 1664525u + 1013904223u;
    return (uint8_t)(state >> 24);
}

/* SSIM and contrast-structure of one channel by their definitions. */
static void plain_ssim(const double *a, const double *b, size_t rows, size_t columns,
                       const struct ssim_rule *rule, int channel, double *ssim, double *contrast) {
    *ssim = *contrast = 0.0;
    for (size_t y = 0; y + rule->taps <= rows; ++y) {
        for (size_t x = 0; x + rule->taps <= columns; ++x) {
            double ma = 0, mb = 0, aa = 0, bb = 0, ab = 0;
            for (size_t v = 0; v < rule->taps; ++v) {
                for (size_t u = 0; u < rule->taps; ++u) {
                    double w = rule->window[v] * rule->window[u];
                    size_t at = ((y + v) * columns + x + u) * 3 + (size_t)channel;
                    ma += w * a[at];
                    mb += w * b[at];
                    aa += w * a[at] * a[at];
                    bb += w * b[at] * b[at];
                    ab += w * a[at] * b[at];
                }
            }
            double variances = (aa - ma * ma + bb - mb * mb) * rule->covariance_factor;
            double covariance = (ab - ma * mb) * rule->covariance_factor;
            double structure = (2 * covariance + rule->c2) / (variances + rule->c2);
            *contrast += structure;
            *ssim += structure * (2 * ma * mb + rule->c1) / (ma * ma + mb * mb + rule->c1);
        }
    }
}

static void check_ssim(size_t rows, size_t columns, size_t taps, int32_t level) {
    size_t count = rows * columns * 3;
    uint8_t *bytes_a = exactly(count), *bytes_b = exactly(count);
    double *a = exactly(count * sizeof(double)), *b = exactly(count * sizeof(double));
    for (size_t i = 0; i < count; ++i) {
        a[i] = bytes_a[i] = any_byte();
        b[i] = bytes_b[i] = (uint8_t)((bytes_a[i] + any_byte() / 4) & 255);
    }
    struct ssim_rule rule = {.taps = taps, .shift = 127.5, .c1 = 6.5025, .c2 = 58.5225};
    rule.covariance_factor = taps == 11 ? 1.0 : (double)(taps * taps) / (double)(taps * taps - 1);
    double total = 0.0;
    for (size_t i = 0; i < taps; ++i) {
        double offset = (double)i - (double)(taps - 1) / 2;
        total += rule.window[i] = taps == 11 ? exp(-0.5 * offset * offset / 2.25) : 1.0;
    }
    for (size_t i = 0; i < taps; ++i) {
        rule.window[i] /= total;
    }
    void *scratch = exactly(fidelity_ssim_scratch(taps));
    for (int is_u8 = 0; is_u8 < 2; ++is_u8) {
        size_t row_bytes = columns * 3 * (is_u8 ? 1 : sizeof(double));
        struct ssim_image image = {
            .prediction = is_u8 ? (const char *)bytes_a : (const char *)a,
            .reference = is_u8 ? (const char *)bytes_b : (const char *)b,
            .prediction_stride = (ptrdiff_t)row_bytes,
            .reference_stride = (ptrdiff_t)row_bytes,
            .columns = columns,
            .is_u8 = is_u8,
        };
        double sums[6] = {0.0};
        size_t positions = rows - taps + 1, half = positions / 2;
        if (fidelity_ssim(level, &image, &rule, 0, half, scratch, sums) != 0 ||
            fidelity_ssim(level, &image, &rule, half, positions - half, scratch, sums) != 0) {
            fprintf(stderr, "%zux%zu was refused\n", rows, columns);
            ++failures;
        }
        for (int channel = 0; channel < 3; ++channel) {
            double ssim, contrast;
            plain_ssim(a, b, rows, columns, &rule, channel, &ssim, &contrast);
            near("ssim", sums[channel], ssim, 1e-8);
            near("contrast-structure", sums[3 + channel], contrast, 1e-8);
        }
    }
    double expected = 0.0;
    for (size_t i = 0; i < count; ++i) {
        expected += (a[i] - b[i]) * (a[i] - b[i]);
    }
    near("squared error of bytes",
         (double)fidelity_squared_u8(level, bytes_a, (ptrdiff_t)(columns * 3), bytes_b,
                                     (ptrdiff_t)(columns * 3), rows, columns * 3),
         expected, 0.0);
    ptrdiff_t stride = (ptrdiff_t)(columns * 3 * sizeof(double));
    near("squared error of doubles",
         fidelity_squared_f64(level, (const char *)a, stride, (const char *)b, stride, rows,
                              columns * 3),
         expected, 1e-6);
    free(bytes_a);
    free(bytes_b);
    free(a);
    free(b);
    free(scratch);
}

static void check_lpips(size_t pixels, size_t channels, int32_t level) {
    size_t count = pixels * channels;
    float *a = exactly(count * sizeof(float)), *b = exactly(count * sizeof(float));
    float *weights = exactly(channels * sizeof(float));
    for (size_t i = 0; i < count; ++i) {
        a[i] = (float)any_byte() / 64;
        b[i] = (float)any_byte() / 64;
    }
    for (size_t i = 0; i < channels; ++i) {
        weights[i] = (float)any_byte() / 256;
        /* A pixel whose features are all zero has no direction. */
        a[i] = 0.0f;
    }
    double expected = 0.0;
    for (size_t pixel = 0; pixel < pixels; ++pixel) {
        double norm_a = 0.0, norm_b = 0.0;
        for (size_t c = 0; c < channels; ++c) {
            norm_a += (double)a[pixel * channels + c] * a[pixel * channels + c];
            norm_b += (double)b[pixel * channels + c] * b[pixel * channels + c];
        }
        for (size_t c = 0; c < channels; ++c) {
            double difference = a[pixel * channels + c] / (sqrt(norm_a) + 1e-10) -
                                b[pixel * channels + c] / (sqrt(norm_b) + 1e-10);
            expected += weights[c] * difference * difference;
        }
    }
    near("lpips", fidelity_lpips_layer(level, a, b, weights, pixels, channels), expected,
         1e-5 * (double)pixels);
    near("lpips of the same", fidelity_lpips_layer(level, b, b, weights, pixels, channels), 0.0,
         0.0);
    free(a);
    free(b);
    free(weights);
}

static void check_input(void) {
    const size_t rows = 5, columns = 7, stride = 24, top = 3, left = 2, blocks = 3;
    uint8_t *image = exactly((rows - 1) * stride + columns * 3);
    float *values = exactly(768 * sizeof(float));
    float *out = exactly(2 * blocks * 48 * sizeof(float));
    for (size_t i = 0; i < (rows - 1) * stride + columns * 3; ++i) {
        image[i] = any_byte();
    }
    for (size_t i = 0; i < 768; ++i) {
        values[i] = (float)i;
    }
    fidelity_lpips_input(image, (ptrdiff_t)stride, rows, columns, values, top, left, blocks, out);
    for (size_t row = 0; row < rows; ++row) {
        for (size_t i = 0; i < columns * 3; ++i) {
            size_t y = top + row, x = left + i / 3;
            size_t at = (y / 4 * blocks + x / 4) * 48 + y % 4 * 12 + x % 4 * 3 + i % 3;
            near("input", out[at], (double)(256 * (i % 3) + image[row * stride + i]), 0.0);
        }
    }
    free(image);
    free(values);
    free(out);
}

int main(void) {
    const size_t sizes[][2] = {{11, 11}, {12, 13}, {14, 138}, {15, 139}, {16, 140}, {29, 300}};
    const size_t windows[] = {11, 7, 3, 9};
    for (int32_t level = 0; level <= fidelity_level(); ++level) {
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i) {
            for (size_t j = 0; j < sizeof windows / sizeof *windows; ++j) {
                check_ssim(sizes[i][0], sizes[i][1], windows[j], level);
            }
        }
        check_lpips(1, 16, level);
        check_lpips(37, 64, level);
        check_lpips(5, 384, level);
    }
    check_input();
    struct ssim_rule rule = {.taps = 12};
    struct ssim_image image = {.columns = 11};
    double sums[6];
    if (fidelity_ssim(0, &image, &rule, 0, 1, NULL, sums) != -1 || fidelity_interface() != FIDELITY_INTERFACE) {
        fprintf(stderr, "a window wider than the image was not refused\n");
        ++failures;
    }
    printf("kernels: levels 0 to %d, %d failures\n", (int)fidelity_level(), failures);
    return failures != 0;
}
