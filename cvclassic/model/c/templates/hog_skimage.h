/* Orientation bin of a gradient, 0 to 180 degrees, found without an angle: by the borders that it has passed. */
static inline int PART_bin(PART_real dx, PART_real dy) {
    int bin = 0;
    if (dy < 0 || (dy == 0 && dx < 0)) {
        dx = -dx;
        dy = -dy;
    }
    for (int k = 0; k < PART_orientations - 1; ++k) {
        bin += PART_apart(dy * PART_border_x[k]) >= PART_apart(dx * PART_border_y[k]);
    }
    return bin;
}

/* One pixel's vote for its own cell, in every block that has the cell. */
static inline void PART_vote(float *out, int y, int x, int bin, float magnitude) {
    const int row = y / PART_cell_height, column = x / PART_cell_width;
    for (int r = 0; r < PART_block_height; ++r) {
        for (int c = 0; c < PART_block_width; ++c) {
            const int block_y = row - r, block_x = column - c;
            if (block_y >= 0 && block_y < PART_blocks_y && block_x >= 0 && block_x < PART_blocks_x) {
                float *block = out + (block_y * PART_blocks_x + block_x) * PART_block_size;
                block[(r * PART_block_width + c) * PART_orientations + bin] += magnitude;
            }
        }
    }
}

/* Block norm 0: L1, 1: L1-sqrt, 2: L2, 3: L2-Hys, with scikit-image's constants. */
static inline void PART_normalize_block(float *block) {
    const int squares = PART_block_norm >= 2;
    for (int round = 0; round < (PART_block_norm == 3 ? 2 : 1); ++round) {
        float total = 0.0f;
        for (int k = 0; k < PART_block_size; ++k) {
            total += squares ? block[k] * block[k] : block[k];
        }
        const float factor = 1.0f / (squares ? sqrtf(total + 1e-10f) : total + 1e-5f);
        for (int k = 0; k < PART_block_size; ++k) {
            block[k] *= factor;
            block[k] = PART_block_norm == 1 ? sqrtf(block[k]) : block[k];
            block[k] = PART_block_norm == 3 && round == 0 && block[k] > 0.2f ? 0.2f : block[k];
        }
    }
}

/* HOG as skimage.feature.hog computes it, pixel by pixel: each gradient is computed once, and nothing is kept but
   `out`. */
static inline void PART_extract(const uint8_t *pixels, float *out) {
    for (int k = 0; k < PART_n_features; ++k) {
        out[k] = 0.0f;
    }
    for (int y = 0; y < PART_height; ++y) {
        for (int x = 0; x < PART_width; ++x) {
            PART_real dx, dy;
            PART_gradient(pixels, y, x, &dx, &dy);
            const float magnitude = (float)PART_sqrt(dx * dx + dy * dy);
            PART_vote(out, y, x, PART_bin(dx, dy), magnitude);
        }
    }
    for (int k = 0; k < PART_n_features; ++k) {
        out[k] *= 1.0f / (float)(PART_cell_height * PART_cell_width);
    }
    for (int b = 0; b < PART_blocks_y * PART_blocks_x; ++b) {
        PART_normalize_block(out + b * PART_block_size);
    }
}
