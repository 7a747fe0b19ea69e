"""Make this folder's models: run with OpenCV 4's cv2.ml, such as

    pip install "opencv-contrib-python-headless<5" scikit-learn && python tests/svm/opencv4_models/make.py

Each model is saved beside what it predicts for all rows; test_opencv_files.py holds the reading to that.
"""

from pathlib import Path

import cv2
import numpy as np
from sklearn.datasets import load_digits

HERE = Path(__file__).parent


def data():
    """Digits in 16 numbers each, few enough for small files; in halves that float32 and the files keep exactly."""
    X, y = load_digits(return_X_y=True)
    return (X.reshape(-1, 4, 2, 4, 2).sum(axis=(2, 4)).reshape(-1, 16) / 64).astype(np.float32), y.astype(np.int32)


def train(kernel, n_classes):
    X, y = data()
    chosen = np.flatnonzero(y < n_classes)[:80]
    model = cv2.ml.SVM_create()
    model.setType(cv2.ml.SVM_C_SVC)
    model.setKernel(getattr(cv2.ml, f"SVM_{kernel}"))
    model.setC(5.0)
    model.setGamma(0.5)
    model.setDegree(2.0)
    model.setCoef0(1.0)
    model.setTermCriteria((cv2.TERM_CRITERIA_MAX_ITER + cv2.TERM_CRITERIA_EPS, 1_000_000, 1e-3))
    model.train(X[chosen], cv2.ml.ROW_SAMPLE, y[chosen])
    return model


def main():
    if not cv2.__version__.startswith("4."):
        raise SystemExit(f"These models are to come from OpenCV 4; this is {cv2.__version__}.")
    predictions = {}
    for name in (
        "linear-2.yml",
        "linear-10.xml",
        "rbf-2.xml",
        "rbf-10.yml",
        "poly-10.xml",
        "chi2-2.yml",
        "inter-2.xml",
    ):
        kernel, n_classes = name.split(".")[0].split("-")
        model = train(kernel.upper(), int(n_classes))
        model.save(str(HERE / name))
        predictions[name] = model.predict(data()[0])[1].ravel().astype(np.uint8)
    np.savez_compressed(HERE / "predictions.npz", **predictions)


if __name__ == "__main__":
    main()
