/* Rounds a product before it is added to another; a compiler may fuse one of them with the sum. */
static inline PART_real PART_apart(PART_real product) {
    volatile PART_real rounded = product;
    return rounded;
}

static inline PART_real PART_level(const uint8_t *pixels, int y, int x, int c) {
    const PART_real level = (PART_real)MODEL_pixel(pixels, y, x)[c];
    return PART_gamma_correction ? PART_sqrt(level) : level;
}

/* Squared length, rounded as in Python, since of equally strong channels the last bit decides; without gamma correction
   these are whole numbers. */
static inline PART_real PART_strength(PART_real x, PART_real y) {
    if (!PART_gamma_correction) {
        return x * x + y * y;
    }
    if (PART_rounds_both) {
        return PART_apart(x * x) + PART_apart(y * y);
    }
    if (PART_ordered && PART_abs(x) < PART_abs(y)) {
        const PART_real larger = y;
        y = x;
        x = larger;
    }
    return PART_fma(y, y, x * x);
}

/* Central differences, zero at the border, of the channel where they are largest. Of equally strong channels the first
   counts; for columns before PART_tie_columns the last, as in OpenCV's vector loop, whose images are BGR. */
static inline void PART_gradient(const uint8_t *pixels, int y, int x, PART_real *dx, PART_real *dy) {
    const int inner_x = x > 0 && x < MODEL_width - 1, inner_y = y > 0 && y < MODEL_height - 1;
    PART_real strongest = 0;
    *dx = *dy = 0;
    for (int c = 0; c < MODEL_channels; ++c) {
        const PART_real right = inner_x ? PART_level(pixels, y, x + 1, c) - PART_level(pixels, y, x - 1, c) : 0;
        const PART_real down = inner_y ? PART_level(pixels, y + 1, x, c) - PART_level(pixels, y - 1, x, c) : 0;
        const PART_real strength = PART_strength(right, down);
        if (strength > strongest || (x < PART_tie_columns && strength >= strongest)) {
            strongest = strength;
            *dx = right;
            *dy = down;
        }
    }
}
