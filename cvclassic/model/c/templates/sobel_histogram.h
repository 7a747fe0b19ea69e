static inline float PART_level(const uint8_t *pixels, int y, int x) {
    /* Beyond the border, the image is reflected without its outermost pixels (cv2.BORDER_REFLECT_101). */
    y = y < 0 ? 1 : y >= MODEL_height ? MODEL_height - 2 : y;
    x = x < 0 ? 1 : x >= MODEL_width ? MODEL_width - 2 : x;
    return (float)MODEL_gray(pixels, y, x);
}

/* Orientations of the 3 x 3 Sobel gradient in each cell of a grid, weighted by its magnitude. */
static inline void PART_extract(const uint8_t *pixels, float *out) {
    for (int k = 0; k < PART_n_features; ++k) {
        out[k] = 0.0f;
    }
    for (int y = 0; y < MODEL_height; ++y) {
        const int row = MODEL_cell(y, MODEL_height, PART_rows);
        for (int x = 0; x < MODEL_width; ++x) {
            float dx = 0.0f, dy = 0.0f;
            for (int k = -1; k <= 1; ++k) {
                const float weight = k ? 1.0f : 2.0f;
                dx += weight * (PART_level(pixels, y + k, x + 1) - PART_level(pixels, y + k, x - 1));
                dy += weight * (PART_level(pixels, y + 1, x + k) - PART_level(pixels, y - 1, x + k));
            }
            int bin = (int)(MODEL_angle(dy, dx) * PART_scale / PART_span);
            /* Unsigned orientations go round twice; and an angle may be rounded up to 360 degrees. */
            bin = bin >= PART_orientations ? bin - PART_orientations : bin;
            bin = bin >= PART_orientations ? bin - PART_orientations : bin;
            const int cell = MODEL_cell(x, MODEL_width, PART_columns) * PART_rows + row;
            out[cell * PART_orientations + bin] += sqrtf(dx * dx + dy * dy);
        }
    }
}
