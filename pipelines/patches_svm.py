"""Learned patches (k-means) + linear SVM

Coates, Lee and Ng (AISTATS 2011) with 800 atoms of 6 x 6 pixels and triangle encoding, summed over 3 x 3 cells: 7,200
features, of each training image and its mirror image. Regularization, grid and C were chosen on CIFAR-10's validation
split (78.0 % there). `python compare.py --dataset cifar10 --pipeline patches_svm`, seed 0, on 2 cores: 77.60 % of the
test images (copy with JPEG-coded pixels), fitted in 375 s with 5.0 GB at most; 2026-11-22.
"""

from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import gen_batches

from cvclassic.augmentation import MirrorAugmentation
from cvclassic.features import PatchDictionary
from cvclassic.svm import LinearSVM

family = "classical"
default = False
found_on = "CIFAR-10's validation part"


class BlockwiseScaler(StandardScaler):
    """`StandardScaler` without its float64 copy of all data."""

    def fit(self, X, y=None):
        self._reset()
        for rows in gen_batches(len(X), 4096):
            self.partial_fit(X[rows])
        return self


def search(task):
    return {"C": (1e-5, 0.1, "log")}


def build(task):
    patches = PatchDictionary(
        n_atoms=800,
        patch_size=6,
        grid=3,
        contrast_regularization=50.0,
        whitening_regularization=1.0,
        random_state=task.seed,
    )
    pipeline = make_pipeline(patches, BlockwiseScaler(copy=False), LinearSVM(C=0.0008))
    return MirrorAugmentation(pipeline) if task.augment == "mirror" else task.augmented(pipeline)
