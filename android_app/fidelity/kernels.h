/* Sums behind PSNR, SSIM and LPIPS, compiled once for each instruction set.
 *
 * Included by kernels.c with KERNEL(name) defined: every function gets the name of its
 * instruction set. Nothing is allocated: scratch memory comes from the caller.
 */

/* Sum of squared differences of two uint8 images, exact. */
static uint64_t KERNEL(squared_u8)(const uint8_t *a, ptrdiff_t a_stride, const uint8_t *b,
                                   ptrdiff_t b_stride, size_t rows, size_t columns) {
    uint64_t total = 0;
    for (size_t row = 0; row < rows; ++row, a += a_stride, b += b_stride) {
        for (size_t start = 0; start < columns; start += 32768) {
            /* 32768 * 255^2 fits in 32 bits. */
            size_t end = start + 32768 < columns ? start + 32768 : columns;
            uint32_t sum = 0;
            for (size_t i = start; i < end; ++i) {
                int32_t difference = (int32_t)a[i] - (int32_t)b[i];
                sum += (uint32_t)(difference * difference);
            }
            total += sum;
        }
    }
    return total;
}

/* Sum of squared differences of two float64 images: eight running sums a row, rows joined with
 * the error of each addition carried along (Neumaier). */
static double KERNEL(squared_f64)(const char *a, ptrdiff_t a_stride, const char *b,
                                  ptrdiff_t b_stride, size_t rows, size_t columns) {
    double total = 0.0, carried = 0.0;
    for (size_t row = 0; row < rows; ++row, a += a_stride, b += b_stride) {
        const double *x = (const double *)a, *y = (const double *)b;
        double lanes[8] = {0.0};
        size_t i = 0;
        for (; i + 8 <= columns; i += 8) {
            for (size_t lane = 0; lane < 8; ++lane) {
                double difference = x[i + lane] - y[i + lane];
                lanes[lane] += difference * difference;
            }
        }
        for (; i < columns; ++i) {
            double difference = x[i] - y[i];
            lanes[0] += difference * difference;
        }
        double sum = ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) +
                     ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
        double next = total + sum;
        carried += total >= sum ? (total - next) + sum : (sum - next) + total;
        total = next;
    }
    return total + carried;
}

/* LPIPS of one layer: the sum over pixels of sum_c w_c (a_c / |a| - b_c / |b|)^2.
 *
 * Norms are of a pixel's channels, with 1e-10 added as in the published network. `channels` is a
 * multiple of 16. */
static double KERNEL(lpips_layer)(const float *a, const float *b, const float *weights,
                                  size_t pixels, size_t channels) {
    double total = 0.0;
    for (size_t pixel = 0; pixel < pixels; ++pixel, a += channels, b += channels) {
        Floats squares_a = {0.0f}, squares_b = {0.0f}, sums = {0.0f};
        for (size_t c = 0; c < channels; c += 16) {
            Floats x = *(const Floats *)(a + c), y = *(const Floats *)(b + c);
            squares_a += x * x;
            squares_b += y * y;
        }
        float norm_a = 0.0f, norm_b = 0.0f;
        for (int lane = 0; lane < 16; ++lane) {
            norm_a += squares_a[lane];
            norm_b += squares_b[lane];
        }
        float scale_a = 1.0f / (__builtin_sqrtf(norm_a) + 1e-10f);
        float scale_b = 1.0f / (__builtin_sqrtf(norm_b) + 1e-10f);
        for (size_t c = 0; c < channels; c += 16) {
            Floats x = *(const Floats *)(a + c), y = *(const Floats *)(b + c);
            /* Two statements, so that no fused operation makes identical images differ. */
            x *= scale_a;
            y *= scale_b;
            Floats difference = x - y;
            sums += *(const Floats *)(weights + c) * difference * difference;
        }
        float sum = 0.0f;
        for (int lane = 0; lane < 16; ++lane) {
            sum += sums[lane];
        }
        total += (double)sum;
    }
    return total;
}

/* SSIM. The window is separable. A tile of columns goes down the image SSIM_STEP rows at a time: new
 * input rows become four maps (a, b, ab, aa + bb) in a ring of rows, the ring is filtered downwards
 * into one row, that row sideways into the means, and the means give SSIM at once. All of it
 * stays in a core's cache. */

/* One input row as maps: values are shifted around zero, so that variances, which are differences
 * of squares, lose no digits to a large mean. */
static void KERNEL(derive)(const struct ssim_image *image, size_t row, size_t left, size_t count,
                           double shift, double *out, size_t pitch) {
    double *a = out, *b = out + pitch, *ab = out + 2 * pitch, *squares = out + 3 * pitch;
    const char *from_a = image->prediction + (ptrdiff_t)row * image->prediction_stride;
    const char *from_b = image->reference + (ptrdiff_t)row * image->reference_stride;
    if (image->is_u8) {
        const uint8_t *x = (const uint8_t *)from_a + left, *y = (const uint8_t *)from_b + left;
        for (size_t i = 0; i < count; ++i) {
            double p = (double)x[i] - shift, q = (double)y[i] - shift;
            double p_squared = p * p, q_squared = q * q;
            a[i] = p;
            b[i] = q;
            ab[i] = p * q;
            squares[i] = p_squared + q_squared;
        }
        return;
    }
    const double *x = (const double *)from_a + left, *y = (const double *)from_b + left;
    for (size_t i = 0; i < count; ++i) {
        double p = x[i] - shift, q = y[i] - shift;
        double p_squared = p * p, q_squared = q * q;
        a[i] = p;
        b[i] = q;
        ab[i] = p * q;
        squares[i] = p_squared + q_squared;
    }
}

/* One map filtered downwards: taps + SSIM_STEP - 1 rows become SSIM_STEP rows. */
INLINE void KERNEL(down)(const double *const *rows, const double *window, size_t taps,
                         size_t count, double *out, size_t out_pitch) {
    for (size_t i = 0; i < count; i += 8) {
        Doubles sums[SSIM_STEP] = {{0}};
        for (size_t row = 0; row < taps + SSIM_STEP - 1; ++row) {
            Doubles value = *(const Doubles *)(rows[row] + i);
            for (size_t step = 0; step < SSIM_STEP; ++step) {
                if (row >= step && row - step < taps) {
                    sums[step] += value * window[row - step];
                }
            }
        }
        for (size_t step = 0; step < SSIM_STEP; ++step) {
            *(Doubles *)(out + step * out_pitch + i) = sums[step];
        }
    }
}

/* One row of means, filtered sideways, into SSIM, added to a running sum for each column. */
INLINE void KERNEL(across)(const double *maps, size_t pitch, const double *window, size_t taps,
                           size_t count, const struct ssim_rule *rule, double *ssim,
                           double *contrast) {
    const double shift = rule->shift, c1 = rule->c1, c2 = rule->c2;
    const double unbiased = rule->covariance_factor;
    for (size_t i = 0; i < count; i += 8) {
        Doubles a = {0}, b = {0}, ab = {0}, squares = {0};
        for (size_t tap = 0; tap < taps; ++tap) {
            const double *from = maps + i + 3 * tap;
            a += *(const Doubles *)from * window[tap];
            b += *(const Doubles *)(from + pitch) * window[tap];
            ab += *(const Doubles *)(from + 2 * pitch) * window[tap];
            squares += *(const Doubles *)(from + 3 * pitch) * window[tap];
        }
        /* Squares are rounded before they are added: identical images then give exactly 1. */
        Doubles product = a * b, a_squared = a * a, b_squared = b * b;
        Doubles means = a_squared + b_squared;
        Doubles covariance = (ab - product) * unbiased, variances = (squares - means) * unbiased;
        /* Luminance needs the means themselves: 2(a+s)(b+s) = 2ab + 2s(a+b) + 2s^2. */
        Doubles lift = (a + b) * (2 * shift) + (2 * shift * shift + c1);
        Doubles structure = (covariance * 2 + c2) / (variances + c2);
        Doubles map = structure * (product * 2 + lift) / (means + lift);
        for (size_t lane = 0; lane < 8; ++lane) {
            ssim[i + lane] += map[lane];
            contrast[i + lane] += structure[lane];
        }
    }
}

/* A tile: `rows` x `columns` positions of the window's corner from (top, left), in pixels. */
INLINE void KERNEL(tile)(const struct ssim_image *image, const struct ssim_rule *rule,
                         const double *window, size_t taps, size_t top, size_t rows, size_t left,
                         size_t columns, void *scratch, double *sums) {
    const size_t ring = taps + SSIM_STEP - 1;
    const size_t wide = 3 * (columns + taps - 1), narrow = 3 * columns;
    const size_t pitch = SSIM_PITCH(columns, taps);
    const size_t band = SSIM_MAPS * pitch;
    double *ssim = scratch, *contrast = ssim + pitch;
    double *ring_rows = (double *)(contrast + pitch), *filtered = ring_rows + ring * band;
    memset(ssim, 0, 2 * pitch * sizeof(double));
    size_t derived = 0;
    for (size_t row = 0; row < rows; row += SSIM_STEP) {
        size_t steps = rows - row < SSIM_STEP ? rows - row : SSIM_STEP;
        for (; derived < row + steps + taps - 1; ++derived) {
            KERNEL(derive)(image, top + derived, 3 * left, wide, rule->shift,
                           ring_rows + derived % ring * band, pitch);
        }
        for (size_t map = 0; map < SSIM_MAPS; ++map) {
            const double *from[SSIM_MAX_TAPS + SSIM_STEP - 1];
            for (size_t i = 0; i < ring; ++i) {
                from[i] = ring_rows + (row + i) % ring * band + map * pitch;
            }
            KERNEL(down)(from, window, taps, wide, filtered + map * pitch, band);
        }
        for (size_t step = 0; step < steps; ++step) {
            KERNEL(across)(filtered + step * band, pitch, window, taps, narrow, rule, ssim,
                           contrast);
        }
    }
    for (size_t i = 0; i < narrow; ++i) {
        sums[i % 3] += ssim[i];
        sums[3 + i % 3] += contrast[i];
    }
}

static void KERNEL(ssim)(const struct ssim_image *image, const struct ssim_rule *rule, size_t top,
                         size_t rows, void *scratch, double *sums) {
    const double *window = rule->window;
    size_t columns = image->columns - rule->taps + 1;
    for (size_t left = 0; left < columns; left += SSIM_TILE) {
        size_t width = columns - left < SSIM_TILE ? columns - left : SSIM_TILE;
        /* The windows that protocols name get loops of known length. */
        if (rule->taps == 11) {
            KERNEL(tile)(image, rule, window, 11, top, rows, left, width, scratch, sums);
        } else if (rule->taps == 7) {
            KERNEL(tile)(image, rule, window, 7, top, rows, left, width, scratch, sums);
        } else {
            KERNEL(tile)(image, rule, window, rule->taps, top, rows, left, width, scratch, sums);
        }
    }
}
