"""Pictures of every extractor."""

import io

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from cvclassic.errors import InputError
from cvclassic.features import (
    HOG,
    LBP,
    ColorGrid,
    ColorHistogram,
    Deskew,
    GaborBank,
    PatchDictionary,
    SobelHistogram,
    show,
)

RGB = np.random.default_rng(8).integers(0, 256, (24, 32, 3), dtype=np.uint8)
DICTIONARY = PatchDictionary(n_atoms=7, n_patches=50, n_iter=1, random_state=0)


def png(figure):
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=40)
    return file.getvalue()


@pytest.mark.parametrize(
    "extractor",
    [
        HOG(),
        HOG(convention="felzenszwalb"),
        SobelHistogram(),
        ColorHistogram(),
        ColorHistogram(joint=False),
        ColorGrid(),
        Deskew(),
        LBP(),
        GaborBank(),
        DICTIONARY,
    ],
    ids=repr,
)
@pytest.mark.parametrize("image", [RGB, RGB[..., 1] / 255], ids=["rgb", "gray"])
def test_a_picture_for_every_extractor(extractor, image):
    if isinstance(extractor, ColorHistogram) and image.ndim == 2:
        extractor = ColorHistogram(color_space="gray", joint=extractor.joint)
    extractor.fit(image[np.newaxis])
    before = vars(extractor).copy()
    figure = show(extractor, image)
    assert len(figure.axes) >= 2
    assert png(figure).startswith(b"\x89PNG")
    assert vars(extractor) == before


def test_bars_have_the_colors_of_their_pixels():
    image = np.zeros((8, 8, 3), np.uint8)
    image[:, 2:] = [250, 10, 20]
    bars = show(ColorHistogram(color_space="rgb"), image).axes[1].patches
    assert [bar.get_height() for bar in bars] == [0.25, 0.75]
    np.testing.assert_allclose(bars[1].get_facecolor()[:3], np.array([250, 10, 20]) / 255, atol=1e-6)


def test_glyphs_run_along_edges():
    image = np.zeros((16, 16), np.uint8)
    image[:, 8:] = 255  # a vertical edge
    quiver = show(HOG(block_size=1, orientations=2, cell_size=16), image).axes[1].collections[0]
    strongest = np.argmax(np.hypot(quiver.U, quiver.V))
    assert abs(quiver.V[strongest]) >= abs(quiver.U[strongest])


def test_what_has_no_picture():
    with pytest.raises(InputError, match="no picture for StandardScaler"):
        show(StandardScaler(), RGB)
    with pytest.raises(InputError, match=r"\[image\] has shape"):
        show(HOG(), RGB[0, 0])
