/* The class of one picture, 0 to MODEL_n_classes - 1, with memory of the caller's.

   pixels: MODEL_height rows of MODEL_width pixels, PIXEL_FORMAT, row by row.
   scores: NULL, or where to put MODEL_n_classes numbers, the higher the likelier. */
static inline int MODEL_classify(MODEL_scratch *scratch, const uint8_t *pixels, float *scores) {
STATEMENTS
    return MODEL_choose(scratch->decisions, scores);
}

/* The class of one picture; the scratch memory lies on the stack. */
static inline int MODEL_predict(const uint8_t *pixels) {
    MODEL_scratch scratch;
    return MODEL_classify(&scratch, pixels, NULL);
}

/* The class of one picture, and a score for each class in `scores`; the scratch memory lies on the stack. */
static inline int MODEL_scores(const uint8_t *pixels, float *scores) {
    MODEL_scratch scratch;
    return MODEL_classify(&scratch, pixels, scores);
}
