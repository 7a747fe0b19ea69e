/* The cell of a grid of `parts` cells in which place i of n lies. */
static inline int MODEL_cell(int i, int n, int parts) {
    return (int)((((int32_t)i + 1) * parts - 1) / n);
}
