static inline const uint8_t *MODEL_pixel(const uint8_t *pixels, int y, int x) {
    return pixels + ((size_t)y * MODEL_width + (size_t)x) * MODEL_channels;
}

/* Brightness, 0 to 255, with the whole numbers of cv2.COLOR_RGB2GRAY for uint8. */
static inline int MODEL_gray(const uint8_t *pixels, int y, int x) {
    const uint8_t *p = MODEL_pixel(pixels, y, x);
    if (MODEL_channels == 1) {
        return p[0];
    }
    return (int)(((int32_t)9798 * p[0] + (int32_t)19235 * p[1] + (int32_t)3735 * p[2] + 16384) >> 15);
}
