"""HOG at two cell sizes, and with it colors: what several pipelines take from an image, as parts for scikit-learn."""

from sklearn.decomposition import PCA
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

from cvclassic.features.color_grid import ColorGrid
from cvclassic.features.hog import HOG

# Each HOG has length 1 and each of the 96 color values variance 1: about as much weight as one HOG. Found on CIFAR-10's
# validation split.
COLOR_WEIGHT = 0.06


def hog_color(image_shape: tuple[int, ...], *, n_train: int, random_state: int) -> tuple[FeatureUnion, PCA]:
    """Two steps of a Pipeline: both HOGs of `hog_pair` with, for RGB images, a color grid; then PCA.

    Parameters
    ----------
    image_shape : (height, width) for gray images, (height, width, 3) for RGB
    n_train : int
        Training images, at least; there are no more components than that.
    random_state : int
        Of PCA's solver.
    """
    parts, weights = hog_pair(image_shape), None
    if len(image_shape) == 3:
        parts.append(("color", make_pipeline(ColorGrid(grid=4), StandardScaler())))
        weights = {"color": COLOR_WEIGHT}
    # 200 components of larger images; small images and small sets have fewer.
    n_components = min(200, 8 * min(image_shape[:2]), n_train)
    pca = PCA(n_components, svd_solver="randomized", iterated_power=2, random_state=random_state)
    return FeatureUnion(parts, transformer_weights=weights), pca


def hog_pair(image_shape: tuple[int, ...]) -> list[tuple[str, Pipeline]]:
    """HOG with cells of a fifth and of a quarter of the shorter side, each of length 1, as named parts of a union.

    The orientations are signed (0 to 360 degrees): on CIFAR-10's validation split that was worth two points over
    unsigned ones.
    """
    side = min(image_shape[:2])
    return [(f"hog_{cell}", _hog(cell)) for cell in (max(side // 5, 3), max(side // 4, 4))]


def _hog(cell_size: int) -> Pipeline:
    return make_pipeline(HOG(cell_size=cell_size, signed=True, orientations=18), Normalizer())
