/* L, a and b, 0 to 255, with the whole numbers of cv2.COLOR_RGB2LAB for uint8: in units of 2^-12 and 2^-15. */
static inline void MODEL_color_lab(const uint8_t *pixels, int y, int x, uint8_t *color) {
    const uint8_t *p = MODEL_pixel(pixels, y, x);
    const int32_t r = MODEL_lab_light[p[0]], g = MODEL_lab_light[p[1]], b = MODEL_lab_light[p[2]];
    const int32_t fx = MODEL_lab_root[(1777 * r + 1541 * g + 778 * b + 2048) >> 12];
    const int32_t fy = MODEL_lab_root[(871 * r + 2929 * g + 296 * b + 2048) >> 12];
    const int32_t fz = MODEL_lab_root[(73 * r + 448 * g + 3575 * b + 2048) >> 12];
    color[0] = (uint8_t)((296 * fy - 1336934 + 16384) >> 15);
    color[1] = (uint8_t)((500 * (fx - fy) + ((int32_t)128 << 15) + 16384) >> 15);
    color[2] = (uint8_t)((200 * (fy - fz) + ((int32_t)128 << 15) + 16384) >> 15);
}
