/* Bring n values to sum 1 (norm 1), to the square root of that (2), or to Euclidean length 1 (3); zeros stay zeros. */
static inline void MODEL_normalize(float *values, int n, int norm) {
    float total = 0.0f;
    for (int k = 0; k < n; ++k) {
        total += norm == 3 ? values[k] * values[k] : values[k];
    }
    total = norm == 3 ? sqrtf(total) : total;
    if (!(total > 0.0f)) {
        return;
    }
    for (int k = 0; k < n; ++k) {
        values[k] /= total;
        values[k] = norm == 2 ? sqrtf(values[k]) : values[k];
    }
}
