/* Mean and standard deviation of each channel in each cell of a grid. */
static inline void PART_extract(const uint8_t *pixels, float *out) {
    for (int row = 0; row < PART_rows; ++row) {
        const int top = row * MODEL_height / PART_rows, bottom = (row + 1) * MODEL_height / PART_rows;
        for (int column = 0; column < PART_columns; ++column) {
            const int left = column * MODEL_width / PART_columns, right = (column + 1) * MODEL_width / PART_columns;
            const uint32_t size = (uint32_t)(bottom - top) * (uint32_t)(right - left);
            uint32_t totals[3] = {0, 0, 0};
            uint64_t squares[3] = {0, 0, 0};
            for (int y = top; y < bottom; ++y) {
                for (int x = left; x < right; ++x) {
                    uint8_t color[3];
                    PART_COLOR(pixels, y, x, color);
                    for (int c = 0; c < PART_channels; ++c) {
                        totals[c] += color[c];
                        squares[c] += (uint32_t)color[c] * color[c];
                    }
                }
            }
            for (int c = 0; c < PART_channels; ++c) {
                const uint64_t spread = size * squares[c] - (uint64_t)totals[c] * totals[c];
                out[c] = (float)totals[c] / (float)size;
                out[PART_channels + c] = sqrtf((float)spread) / (float)size;
            }
            out += 2 * PART_channels;
        }
    }
}
