/* Products of the rows of a matrix with x, plus a constant for each row. */
static inline void PART_apply(const float *x, float *out) {
    for (int row = 0; row < PART_rows; ++row) {
        float sum = 0.0f;
        for (int k = 0; k < PART_columns; ++k) {
            sum += (float)PART_weights[row][k] * x[k];
        }
        out[row] = sum * PART_SCALE(row) + PART_bias[row];
    }
}
