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


@pytest.mark.parametrize("images", [RGB, [RGB, RGB[:16, :20]], RGB[np.newaxis], np.stack([RGB[..., 0]] * 3)])
@pytest.mark.parametrize("extractors", [HOG(), [HOG(), LBP(), SobelHistogram()]], ids=["one", "three"])
def test_a_row_for_each_image_and_a_column_for_each_extractor(extractors, images):
    n_rows = len(images) if isinstance(images, list) or images.shape[-1] != 3 or images.ndim == 4 else 1
    columns = extractors if isinstance(extractors, list) else [extractors]
    figure = show(extractors, images)
    assert len(figure.axes) == n_rows * (1 + len(columns))
    assert png(figure).startswith(b"\x89PNG")
    for k in range(n_rows):
        drawn = np.asarray(figure.axes[k * (1 + len(columns))].images[0].get_array())
        expected = images if n_rows == 1 and not isinstance(images, list) and images.ndim == 3 else images[k]
        np.testing.assert_array_equal(drawn, expected)
    if len(columns) > 1:
        assert [axes.get_title().split("\n")[0] for axes in figure.axes[1:4]] == [repr(each) for each in columns]


def test_nothing_to_show():
    for extractors, images in (([], RGB), (HOG(), []), (HOG(), RGB[np.newaxis][:0])):
        with pytest.raises(InputError):
            show(extractors, images)
    with pytest.raises(InputError, match=r"images\[1\].* has shape"):
        show(HOG(), [RGB, RGB[0, 0]])


def test_what_has_no_picture():
    with pytest.raises(InputError, match="no picture for StandardScaler"):
        show(StandardScaler(), RGB)
    with pytest.raises(InputError, match=r"\[image\] has shape"):
        show(HOG(), RGB[0, 0])
