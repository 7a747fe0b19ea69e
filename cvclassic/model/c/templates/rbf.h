/* exp(-gamma |x - vector|^2) */
static inline float PART_kernel(int vector, const float *x) {
    float distance = 0.0f;
    for (int k = 0; k < PART_columns; ++k) {
        const float difference = x[k] - (float)PART_vectors[vector][k] * PART_SCALE(vector);
        distance += difference * difference;
    }
    return expf(-PART_gamma * distance);
}

/* The decision values of all pairs of classes. A support vector has a coefficient for each class but its own. */
static inline void PART_apply(const float *x, float *out) {
    for (int pair = 0; pair < PART_pairs; ++pair) {
        out[pair] = PART_bias[pair];
    }
    for (int own = 0; own < PART_classes; ++own) {
        for (int vector = PART_first[own]; vector < PART_first[own + 1]; ++vector) {
            const float kernel = PART_kernel(vector, x);
            for (int other = 0; other < PART_classes; ++other) {
                const int i = own < other ? own : other, j = own < other ? other : own;
                if (i < j) {
                    out[i * (2 * PART_classes - i - 1) / 2 + j - i - 1] +=
                        kernel * (float)PART_coefficients[vector][other < own ? other : other - 1] *
                        PART_COEFFICIENT_SCALE(vector);
                }
            }
        }
    }
}
