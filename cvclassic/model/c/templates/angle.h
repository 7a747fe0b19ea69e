/* Angle of (x, y) in degrees, 0 to 360, by the polynomial of cv2.fastAtan2. */
static inline float MODEL_angle(float y, float x) {
    const float ax = fabsf(x), ay = fabsf(y);
    const float ratio = (ax < ay ? ax : ay) / ((ax < ay ? ay : ax) + 2.220446e-16f);
    const float square = ratio * ratio;
    float angle = 57.295779513f * -0.04432655554792128f * square + 57.295779513f * 0.1555786518463281f;
    angle = angle * square + 57.295779513f * -0.3258083974640975f;
    angle = (angle * square + 57.295779513f * 0.9997878412794807f) * ratio;
    angle = ax < ay ? 90.0f - angle : angle;
    angle = x < 0.0f ? 180.0f - angle : angle;
    return y < 0.0f ? 360.0f - angle : angle;
}
