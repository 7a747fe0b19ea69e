static inline void MODEL_color_rgb(const uint8_t *pixels, int y, int x, uint8_t *color) {
    const uint8_t *p = MODEL_pixel(pixels, y, x);
    color[0] = p[0];
    color[1] = p[1];
    color[2] = p[2];
}
