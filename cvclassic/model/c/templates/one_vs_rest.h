/* The class of the highest decision value; of two classes there is one value, above 0 for the second. */
static inline int MODEL_choose(const float *decisions, float *scores) {
    int best = 0;
    if (MODEL_n_classes == 2) {
        if (scores) {
            scores[0] = -decisions[0];
            scores[1] = decisions[0];
        }
        return decisions[0] > 0.0f;
    }
    for (int k = 0; k < MODEL_n_classes; ++k) {
        if (scores) {
            scores[k] = decisions[k];
        }
        best = decisions[k] > decisions[best] ? k : best;
    }
    return best;
}
