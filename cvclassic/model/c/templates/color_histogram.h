/* How often each color occurs in each cell of a grid; histograms of channels lie side by side unless they are joint. */
static inline void PART_extract(const uint8_t *pixels, float *out) {
    for (int k = 0; k < PART_n_features; ++k) {
        out[k] = 0.0f;
    }
    for (int y = 0; y < MODEL_height; ++y) {
        for (int x = 0; x < MODEL_width; ++x) {
            uint8_t color[3];
            PART_COLOR(pixels, y, x, color);
            const int cell = MODEL_cell(y, MODEL_height, PART_rows) * PART_columns +
                             MODEL_cell(x, MODEL_width, PART_columns);
            float *histogram = out + cell * PART_cell_size;
            int place = 0;
            for (int c = 0; c < PART_channels; ++c) {
                place += PART_places[c][color[c]];
                if (!PART_joint) {
                    histogram[place] += 1.0f;
                    place = 0;
                }
            }
            if (PART_joint) {
                histogram[place] += 1.0f;
            }
        }
    }
}
