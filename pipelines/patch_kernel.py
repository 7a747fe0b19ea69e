"""Banks of random patches, HOG and colors, kernel ridge over both mirror images: the most accurate on photographs

`python compare.py cifar10 --pipeline patch_kernel`: 84.95 % of the test images (those of a copy that had gone through
JPEG), fitted in 251 s on 2 cores of an Intel Xeon, peak 8.0 GB, 2026-12-01; of MNIST 99.59 %, in 130 s. How it works,
and what each part adds, stands in docs/champions.md.

Nothing is learned by back-propagation: whitening, principal axes and the kernel's weights are linear algebra. On
photographs each training image counts with its mirror image, at no more rows than images. Handwriting is deskewed, and
two banks alone see it.
"""

from sklearn.pipeline import FeatureUnion, make_pipeline

from cvclassic.features import HOG, ColorGrid, Deskew, MirrorParts, PatchBank
from cvclassic.svm import KernelRidge

family = "classical"
default = False
found_on = "the training parts of CIFAR-10 and MNIST"

PATCH_SIZES = (4, 6, 8, 11)
STROKE_SIZES = (5, 8)  # for handwriting
# Of the squared length of an image's features; in sum the patches have about two thirds.
WEIGHTS = {"patches": 0.5, "hog_fine": 0.6, "hog_coarse": 0.3, "color": 0.2}
LEAST_SIDE = 8  # pixels: two cells of the coarser HOG


def fits(task):
    return min(task.image_shape[:2]) >= LEAST_SIDE


def search(task):
    return {"alpha": (1e-4, 0.1, "log"), "gamma": (0.05, 1.0, "log")}


def build(task):
    handwriting = "handwriting" in task.traits
    sizes = _sizes(STROKE_SIZES if handwriting else PATCH_SIZES, task.image_shape)
    kinds = _strokes(sizes, task.seed) if handwriting else _kinds(sizes, task.image_shape, task.seed)
    n_components = 200 if handwriting else 500
    weights = {name: WEIGHTS[name.rstrip("0123456789")] for name, _ in kinds}
    union = FeatureUnion(
        [(name, MirrorParts(kind, n_components=n_components, random_state=task.seed)) for name, kind in kinds],
        transformer_weights={name: weight**0.5 for name, weight in weights.items()},
    )
    mirror = task.augment == "mirror"
    # 1.5 over the mean squared distance between two images, which is twice the mean squared length; half that for
    # handwriting.
    gamma = (0.375 if handwriting else 0.75) / sum(weights.values())
    alpha, tol = (1e-2, 2e-2) if handwriting else (3e-3, 5e-3)
    ridge = KernelRidge(alpha=alpha, gamma=gamma, mirror_parts=mirror, tol=tol)
    pipeline = make_pipeline(*[Deskew()] * handwriting, union, ridge)
    return pipeline if mirror else task.augmented(pipeline)


def _sizes(sizes, image_shape):
    return [size for size in sizes if size <= min(image_shape[:2]) - 2]  # three places along each side, for the grid


def _strokes(sizes, seed):
    return [(f"patches{size}", PatchBank(patch_size=size, n_filters=128, random_state=seed)) for size in sizes]


def _kinds(sizes, image_shape, seed):
    side = min(image_shape[:2])
    kinds = [(f"patches{size}", PatchBank(patch_size=size, random_state=seed)) for size in sizes]
    # With cells as small as these Felzenszwalb's 31 channels are a third of the values, and more accurate.
    fine = HOG(cell_size=max(side // 8, 3), convention="felzenszwalb", gamma_correction=True)
    coarse = HOG(cell_size=max(side // 4, 4), orientations=18, signed=True, gamma_correction=True)
    kinds += [("hog_fine", fine), ("hog_coarse", coarse)]
    return [*kinds, ("color", ColorGrid(grid=4))] if len(image_shape) == 3 else kinds
