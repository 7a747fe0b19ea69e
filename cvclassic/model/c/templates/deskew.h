/* Sideways pixels per row: the ratio of the central second moments mu11 and mu02 of the gray levels. */
static inline double MODEL_slant(const uint8_t *pixels) {
    double m00 = 0.0, m10 = 0.0, m01 = 0.0, m11 = 0.0, m02 = 0.0;
    for (int y = 0; y < MODEL_height; ++y) {
        for (int x = 0; x < MODEL_width; ++x) {
            const double level = (double)MODEL_gray(pixels, y, x);
            m00 += level;
            m10 += level * x;
            m01 += level * y;
            m11 += level * x * y;
            m02 += level * y * y;
        }
    }
    if (m00 == 0.0) {
        return 0.0;
    }
    const double mu02 = m02 - m01 * m01 / m00;
    return fabs(mu02) < 1e-2 ? 0.0 : (m11 - m10 * m01 / m00) / mu02;
}

/* Shear an image by its slant, row by row, with linear interpolation between whole pixels; beyond it all is 0. */
static inline void MODEL_deskew(const uint8_t *pixels, uint8_t *image) {
    const double slant = MODEL_slant(pixels);
    for (int y = 0; y < MODEL_height; ++y) {
        const double shift = slant * ((double)y - 0.5 * MODEL_height);
        const int whole = fabs(shift) < MODEL_width + 1 ? (int)floor(shift) : MODEL_width + 1;
        for (int x = 0; x < MODEL_width; ++x) {
            const int source = x + whole;
            for (int c = 0; c < MODEL_channels; ++c) {
                double left = 0.0, right = 0.0;
                if (source >= 0 && source < MODEL_width) {
                    left = (1.0 - (shift - whole)) * MODEL_pixel(pixels, y, source)[c];
                }
                if (source >= -1 && source < MODEL_width - 1) {
                    right = (shift - whole) * MODEL_pixel(pixels, y, source + 1)[c];
                }
                image[((size_t)y * MODEL_width + (size_t)x) * MODEL_channels + (size_t)c] = (uint8_t)(left + right + 0.5);
            }
        }
    }
}
