/* Hue (0 to 179), saturation and value with the whole numbers of cv2.COLOR_RGB2HSV for uint8. */
static inline void MODEL_color_hsv(const uint8_t *pixels, int y, int x, uint8_t *color) {
    const uint8_t *p = MODEL_pixel(pixels, y, x);
    const int32_t r = p[0], g = p[1], b = p[2];
    const int32_t largest = r > g ? (r > b ? r : b) : (g > b ? g : b);
    const int32_t smallest = r < g ? (r < b ? r : b) : (g < b ? g : b);
    const int32_t range = largest - smallest;
    const int32_t side = largest == r ? g - b : largest == g ? b - r + 2 * range : r - g + 4 * range;
    /* 255 and 180 / 6 over these, in units of 2^-12, rounded. */
    const int32_t by_largest = largest ? (2 * ((int32_t)255 << 12) + largest) / (2 * largest) : 0;
    const int32_t by_range = range ? (2 * ((int32_t)30 << 12) + range) / (2 * range) : 0;
    /* Shifted up by 60 degrees, since a right shift of a negative number is not portable. */
    const int32_t hue = ((side * by_range + 2048 + ((int32_t)30 << 12)) >> 12) - 30;
    color[0] = (uint8_t)(hue < 0 ? hue + 180 : hue);
    color[1] = (uint8_t)((range * by_largest + 2048) >> 12);
    color[2] = (uint8_t)largest;
}
