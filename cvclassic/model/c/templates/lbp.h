static inline double PART_level(const uint8_t *pixels, int y, int x) {
    const int inside = y >= 0 && y < MODEL_height && x >= 0 && x < MODEL_width;
    return inside ? (double)MODEL_gray(pixels, y, x) : 0.0;
}

/* Python rounds each product by itself, and on flat ground the last bit decides: no compiler may fuse them with sums. */
static inline double PART_apart(double product) {
    volatile double rounded = product;
    return rounded;
}

static inline double PART_between(double left, double right, double rest) {
    return PART_apart((1.0 - rest) * left) + PART_apart(rest * right);
}

/* Histograms of the local binary patterns of skimage.feature.local_binary_pattern in each cell of a grid. */
static inline void PART_extract(const uint8_t *pixels, float *out) {
    for (int k = 0; k < PART_n_features; ++k) {
        out[k] = 0.0f;
    }
    for (int y = 0; y < MODEL_height; ++y) {
        for (int x = 0; x < MODEL_width; ++x) {
            const double center = PART_level(pixels, y, x);
            unsigned pattern = 0;
            for (int p = 0; p < PART_points; ++p) {
                const double place_y = (double)y + PART_down[p], place_x = (double)x + PART_right[p];
                const int top = (int)floor(place_y), left = (int)floor(place_x);
                const double rest_y = place_y - (double)top, rest_x = place_x - (double)left;
                double value = PART_level(pixels, top, left);
                if (rest_y != 0.0 || rest_x != 0.0) {
                    const double upper = PART_between(value, PART_level(pixels, top, left + 1), rest_x);
                    const double lower = PART_between(PART_level(pixels, top + 1, left),
                                                      PART_level(pixels, top + 1, left + 1), rest_x);
                    value = PART_between(upper, lower, rest_y);
                }
                pattern |= value >= center ? 1u << p : 0u;
            }
            const int cell = MODEL_cell(y, MODEL_height, PART_rows) * PART_columns +
                             MODEL_cell(x, MODEL_width, PART_columns);
            out[cell * PART_n_labels + PART_labels[pattern]] += 1.0f;
        }
    }
}
