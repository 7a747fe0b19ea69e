/* The votes of one pixel for two neighboring orientations, in every cell of every block that it reaches. */
static inline void PART_vote(float *out, int y, int x, int lower, float first, float second) {
    const int upper = lower + 1 < PART_orientations ? lower + 1 : 0;
    for (int row = y / PART_cell_height, block_y = row - PART_block_height + 1; block_y <= row; ++block_y) {
        for (int column = x / PART_cell_width, block_x = column - PART_block_width + 1; block_x <= column; ++block_x) {
            if (block_y < 0 || block_y >= PART_blocks_y || block_x < 0 || block_x >= PART_blocks_x) {
                continue;
            }
            float *block = out + (block_x * PART_blocks_y + block_y) * PART_block_size;
            for (int c = 0; c < PART_block_width; ++c) {
                for (int r = 0; r < PART_block_height; ++r) {
                    const float weight = PART_vertical[r][y - block_y * PART_cell_height] *
                                         PART_horizontal[c][x - block_x * PART_cell_width];
                    float *bins = block + (c * PART_block_height + r) * PART_orientations;
                    bins[lower] += weight * first;
                    bins[upper] += weight * second;
                }
            }
        }
    }
}

/* L2-Hys with OpenCV's constants. */
static inline void PART_normalize_block(float *block) {
    float total = 0.0f;
    for (int k = 0; k < PART_block_size; ++k) {
        total += block[k] * block[k];
    }
    float factor = 1.0f / (sqrtf(total) + (float)PART_block_size * 0.1f);
    total = 0.0f;
    for (int k = 0; k < PART_block_size; ++k) {
        const float value = block[k] * factor;
        block[k] = value < 0.2f ? value : 0.2f;
        total += block[k] * block[k];
    }
    factor = 1.0f / (sqrtf(total) + 1e-3f);
    for (int k = 0; k < PART_block_size; ++k) {
        block[k] *= factor;
    }
}

/* HOG as cv2.HOGDescriptor computes it, pixel by pixel: each gradient is computed once, and nothing is kept but `out`. */
static inline void PART_extract(const uint8_t *pixels, float *out) {
    for (int k = 0; k < PART_n_features; ++k) {
        out[k] = 0.0f;
    }
    for (int y = 0; y < PART_height; ++y) {
        for (int x = 0; x < PART_width; ++x) {
            float dx, dy;
            PART_gradient(pixels, y, x, &dx, &dy);
            const float magnitude = sqrtf(dx * dx + dy * dy);
            float place = MODEL_angle(dy, dx) * PART_bin_scale - 0.5f;
            place = place < 0.0f ? place + (float)PART_orientations : place;
            place = place >= (float)PART_orientations ? place - (float)PART_orientations : place;
            const int lower = (int)place;
            const float second = magnitude * (place - (float)lower);
            if (magnitude > 0.0f) {
                PART_vote(out, y, x, lower, magnitude - second, second);
            }
        }
    }
    for (int b = 0; b < PART_blocks_y * PART_blocks_x; ++b) {
        PART_normalize_block(out + b * PART_block_size);
    }
}
