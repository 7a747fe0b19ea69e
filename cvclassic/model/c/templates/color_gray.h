static inline void MODEL_color_gray(const uint8_t *pixels, int y, int x, uint8_t *color) {
    color[0] = (uint8_t)MODEL_gray(pixels, y, x);
}
