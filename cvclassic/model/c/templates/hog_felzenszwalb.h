/* The signed direction nearest to a gradient; of two equally near, the first. */
static inline int PART_direction(float dx, float dy) {
    float best = 0.0f;
    int nearest = 0;
    for (int k = 0; k < PART_orientations; ++k) {
        /* Rounded as Python's processors do it, since on ties, such as 45 degrees, the last bit decides. */
        const float along = fmaf(PART_unit_y[k], dy, PART_unit_x[k] * dx);
        if (along > best) {
            best = along;
            nearest = k;
        } else if (-along > best) {
            best = -along;
            nearest = k + PART_orientations;
        }
    }
    return nearest;
}

/* Share each pixel's vote between the four cells around it; pixels of the image's border don't vote. Where the last
   cell reaches beyond the image, its pixels repeat those before the image's border. */
static inline void PART_cast_votes(const uint8_t *pixels, float *histograms) {
    for (int y = 1; y < PART_cells_y * PART_cell_height - 1; ++y) {
        const float place_y = ((float)y + 0.5f) / (float)PART_cell_height - 0.5f;
        const int top = (int)floorf(place_y), source_y = y < MODEL_height - 2 ? y : MODEL_height - 2;
        for (int x = 1; x < PART_cells_x * PART_cell_width - 1; ++x) {
            const float place_x = ((float)x + 0.5f) / (float)PART_cell_width - 0.5f;
            const int left = (int)floorf(place_x), source_x = x < MODEL_width - 2 ? x : MODEL_width - 2;
            float dx, dy;
            PART_gradient(pixels, source_y, source_x, &dx, &dy);
            const float magnitude = sqrtf(dx * dx + dy * dy);
            const int direction = PART_direction(dx, dy);
            for (int r = 0; r < 2; ++r) {
                for (int c = 0; c < 2; ++c) {
                    const int cell_y = top + r, cell_x = left + c;
                    const float below = place_y - (float)top, beside = place_x - (float)left;
                    if (cell_y >= 0 && cell_y < PART_cells_y && cell_x >= 0 && cell_x < PART_cells_x) {
                        histograms[(cell_y * PART_cells_x + cell_x) * 2 * PART_orientations + direction] +=
                            magnitude * (r ? below : 1.0f - below) * (c ? beside : 1.0f - beside);
                    }
                }
            }
        }
    }
}

/* Signed and unsigned orientations of one inner cell, and its texture, under four normalizations. */
static inline void PART_describe(const float *histogram, const float *energy, float *out) {
    float factors[4], texture[4];
    for (int f = 0; f < 4; ++f) { /* with the neighbors below right, above right, below left, above left */
        const float *corner = energy + (1 - f % 2) * PART_cells_x + 1 - f / 2;
        const float total = corner[0] + corner[1] + corner[PART_cells_x] + corner[PART_cells_x + 1];
        factors[f] = 1.0f / sqrtf(total + 1e-4f);
        texture[f] = 0.0f;
    }
    for (int k = 0; k < 2 * PART_orientations; ++k) {
        out[k] = 0.0f;
        for (int f = 0; f < 4; ++f) {
            const float value = histogram[k] * factors[f], clipped = value < 0.2f ? value : 0.2f;
            out[k] += 0.5f * clipped;
            texture[f] += clipped;
        }
    }
    for (int k = 0; k < PART_orientations; ++k) {
        out[2 * PART_orientations + k] = 0.0f;
        for (int f = 0; f < 4; ++f) {
            const float value = (histogram[k] + histogram[k + PART_orientations]) * factors[f];
            out[2 * PART_orientations + k] += 0.5f * (value < 0.2f ? value : 0.2f);
        }
    }
    for (int f = 0; f < 4; ++f) {
        out[3 * PART_orientations + f] = 0.2357f * texture[f];
    }
}

/* HOG of Felzenszwalb, Girshick, McAllester and Ramanan (PAMI 2010), as their features.cc computes it. */
static inline void PART_extract(const uint8_t *pixels, float *out, float *work) {
    float *histograms = work, *energy = work + PART_cells_y * PART_cells_x * 2 * PART_orientations;
    for (int k = 0; k < PART_cells_y * PART_cells_x * 2 * PART_orientations; ++k) {
        histograms[k] = 0.0f;
    }
    PART_cast_votes(pixels, histograms);
    for (int cell = 0; cell < PART_cells_y * PART_cells_x; ++cell) {
        const float *histogram = histograms + cell * 2 * PART_orientations;
        energy[cell] = 0.0f;
        for (int k = 0; k < PART_orientations; ++k) {
            const float both = histogram[k] + histogram[k + PART_orientations];
            energy[cell] += both * both;
        }
    }
    for (int y = 0; y < PART_cells_y - 2; ++y) {
        for (int x = 0; x < PART_cells_x - 2; ++x) {
            const int cell = (y + 1) * PART_cells_x + x + 1;
            const float *histogram = histograms + cell * 2 * PART_orientations;
            /* PART_describe reads energies from one cell above left of this one to one below right. */
            PART_describe(histogram, energy + y * PART_cells_x + x,
                          out + (y * (PART_cells_x - 2) + x) * (3 * PART_orientations + 4));
        }
    }
}
