/* The class that wins most of its duels, of equals the first; its score is the number of them, and a fraction by how
   clearly they were won (as decision_function of scikit-learn's SVC has it). Of two classes there is one value, above
   0 for the first. */
static inline int MODEL_choose(const float *decisions, float *scores) {
    int best = 0, most = -1;
    if (MODEL_n_classes == 2) {
        if (scores) {
            scores[0] = decisions[0];
            scores[1] = -decisions[0];
        }
        return !(decisions[0] > 0.0f);
    }
    for (int k = 0; k < MODEL_n_classes; ++k) {
        int votes = 0;
        float confidence = 0.0f;
        for (int other = 0; other < MODEL_n_classes; ++other) {
            const int i = k < other ? k : other, j = k < other ? other : k;
            if (i < j) {
                const float decision = decisions[i * (2 * MODEL_n_classes - i - 1) / 2 + j - i - 1];
                votes += (decision > 0.0f) == (k == i);
                confidence += k == i ? decision : -decision;
            }
        }
        if (scores) {
            scores[k] = (float)votes + confidence / (3.0f * (fabsf(confidence) + 1.0f));
        }
        if (votes > most) {
            most = votes;
            best = k;
        }
    }
    return best;
}
