"""Learned patches (k-means) + linear SVM

Coates, Lee and Ng (AISTATS 2011) with 800 atoms of 6 x 6 pixels and triangle encoding, summed over 2 x 2 cells:
3,200 features.
"""

from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cvclassic.features import PatchDictionary
from cvclassic.svm import LinearSVM

family = "classical"
default = False


def build(task):
    patches = PatchDictionary(n_atoms=800, patch_size=6, grid=2, random_state=task.seed)
    return make_pipeline(patches, StandardScaler(copy=False), LinearSVM(C=0.002))
