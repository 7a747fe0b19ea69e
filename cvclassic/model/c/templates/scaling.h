static inline void PART_apply(float *values) {
    for (int k = 0; k < PART_n_values; ++k) {
        values[k] = values[k] * PART_factors[k] + PART_shifts[k];
    }
}
