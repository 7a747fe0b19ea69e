"""Support vector machines for images' features: scikit-learn classifiers on dense (n, d) arrays.

`LinearSVM` solves the linear primal by Newton's method, `KernelSVM` a kernel machine with fast prediction, and
`OpenCVSVM` is OpenCV's `cv2.ml.SVM` behind scikit-learn's face. `KernelRidge` is a kernel machine too, with squared
errors in place of the hinge.
"""

from cvclassic.svm.kernel import KernelSVM
from cvclassic.svm.kernel_ridge import KernelRidge
from cvclassic.svm.linear import LinearSVM
from cvclassic.svm.opencv import OpenCVSVM

__all__ = ["KernelRidge", "KernelSVM", "LinearSVM", "OpenCVSVM"]
