"""HOGLayer against skimage.feature.hog, and Maxout against NumPy, on whichever backend Keras runs."""

import os
import subprocess
import sys

import numpy as np
import pytest
from skimage.feature import hog
from sklearn.datasets import load_digits, load_sample_image

from cvclassic.errors import InputError
from cvclassic.neural import HOGLayer, Maxout, prepare_backend

keras = prepare_backend()


def photos(n=4, side=40, channels=3):
    """Bytes: tiles of a photograph, with flat sky in it."""
    china = load_sample_image("china.jpg")
    places = np.linspace(0, min(china.shape[:2]) - side, n).astype(int)
    return np.stack([china[k : k + side, k : k + side, :channels] for k in places])


def skimage_hog(images, *, orientations=9, cell=(8, 8), block=(2, 2), block_norm="L2-Hys"):
    return np.stack(
        [
            hog(image[..., 0] if image.shape[-1] == 1 else image, orientations=orientations, pixels_per_cell=cell,
                cells_per_block=block, block_norm=block_norm, channel_axis=None if image.shape[-1] == 1 else -1)
            for image in images
        ]
    )  # fmt: skip


def features(layer, images):
    """What the layer gives inside a compiled model."""
    inputs = keras.Input(images.shape[1:])
    return keras.Model(inputs, layer(inputs)).predict(images, batch_size=3, verbose=0)


@pytest.mark.parametrize("block_norm", ["L1", "L1-sqrt", "L2", "L2-Hys"])
@pytest.mark.parametrize("channels", [1, 3])
def test_hog_of_bytes_is_that_of_skimage(channels, block_norm):
    images = photos(channels=channels)
    found = features(HOGLayer(block_norm=block_norm), images)
    np.testing.assert_allclose(found, skimage_hog(images, block_norm=block_norm), rtol=0, atol=1e-4)


@pytest.mark.parametrize("orientations", [1, 2, 7, 8, 12])  # 45, 90 and 135 degrees are borders of 8 and 12
def test_hog_of_few_gray_levels_and_any_orientations(orientations):
    images = load_digits().images[:12, ..., np.newaxis]
    layer = HOGLayer(orientations=orientations, cell_size=(3, 2), block_size=(1, 2))
    expected = skimage_hog(images, orientations=orientations, cell=(3, 2), block=(1, 2))
    np.testing.assert_allclose(features(layer, images.astype(np.float32)), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("shape", [(33, 47, 3), (20, 64, 1)])
def test_hog_of_fractions_and_of_sizes_that_cells_do_not_divide(rng, shape):
    images = rng.random((3, *shape), dtype=np.float32)
    expected = skimage_hog(images, cell=(5, 6), block=(3, 2))
    found = features(HOGLayer(cell_size=(5, 6), block_size=(3, 2)), images)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


def test_hog_of_bytes_that_the_graph_scales_to_fractions():
    images = photos(channels=1)
    inputs = keras.Input(images.shape[1:])
    model = keras.Model(inputs, HOGLayer()(keras.layers.Rescaling(1 / 255)(inputs)))
    found = model.predict(images, verbose=0)
    np.testing.assert_allclose(found, skimage_hog(images / np.float32(255)), rtol=0, atol=1e-4)


def test_hog_of_flat_images_is_zero():
    assert not features(HOGLayer(block_norm="L1-sqrt"), np.full((2, 16, 16, 3), 0.7, np.float32)).any()


def test_hog_keeps_single_precision_in_half_precision_models():
    images = photos(channels=1)
    layer = HOGLayer(dtype="mixed_float16")
    np.testing.assert_allclose(features(layer, images), skimage_hog(images), rtol=0, atol=1e-4)


@pytest.mark.parametrize("batch", [None, 5])
def test_the_output_shape_is_known_beforehand(batch):
    layer = HOGLayer(orientations=6, cell_size=4, block_size=(1, 2))
    assert layer.compute_output_shape((batch, 17, 12, 3)) == (batch, 4 * 2 * 2 * 6)
    assert layer(keras.KerasTensor((batch, 17, 12, 3))).shape == (batch, 4 * 2 * 2 * 6)
    assert layer(np.zeros((5, 17, 12, 3), np.float32)).shape == (5, 4 * 2 * 2 * 6)


def gradient_to_pixels(image, weights, **parameters):
    """Derivative by each pixel of the weighted sum of the features, on any backend: one step of SGD at rate 1."""
    pixels = keras.layers.Dense(image.size, use_bias=False)
    weigh = keras.layers.Dense(1, use_bias=False, trainable=False)
    model = keras.Sequential(
        [keras.Input((1,)), pixels, keras.layers.Reshape(image.shape), HOGLayer(**parameters), weigh]
    )
    pixels.set_weights([image.reshape(1, -1)])
    weigh.set_weights([weights[:, np.newaxis]])
    model.compile(keras.optimizers.SGD(1.0), loss=lambda _, score: keras.ops.mean(score), jit_compile=False)
    model.train_on_batch(np.ones((1, 1)), np.zeros((1, 1)))
    return image - pixels.get_weights()[0].reshape(image.shape)


@pytest.mark.parametrize("block_norm", ["L1", "L1-sqrt", "L2", "L2-Hys"])
def test_the_gradient_to_the_pixels_is_that_of_finite_differences(rng, block_norm):
    image = rng.random((12, 12, 1), dtype=np.float32)
    parameters = {"block_norm": block_norm, "orientations": 5}
    weights = rng.normal(size=2 * 2 * 2 * 2 * 5).astype(np.float32)
    found = gradient_to_pixels(image, weights, cell_size=4, **parameters)

    def score(pixels):
        return skimage_hog(pixels[np.newaxis], cell=(4, 4), **parameters)[0] @ weights.astype(float)

    step, expected = 3e-4, np.zeros(image.shape)  # skimage sums in single precision
    for place in np.ndindex(image.shape):
        shift = np.zeros(image.shape)
        shift[place] = step
        expected[place] = (score(image + shift) - score(image - shift)) / (2 * step)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3)
    assert np.abs(expected).max() > 0.1


@pytest.mark.parametrize("block_norm", ["L1", "L1-sqrt", "L2", "L2-Hys"])
def test_the_gradient_is_finite_in_flat_regions(block_norm):
    image = np.zeros((16, 16, 3), np.float32)
    image[4:7, 9:] = 0.5  # one block with edges and empty bins, flat ground around
    gradient = gradient_to_pixels(image, np.ones(36, np.float32), block_norm=block_norm)
    assert np.isfinite(gradient).all()
    assert gradient.any()
    assert not gradient_to_pixels(np.zeros_like(image), np.ones(36, np.float32), block_norm=block_norm).any()


@pytest.mark.parametrize("units_and_pieces", [(3, 2), (4, 5), (6, 1)])
@pytest.mark.parametrize("shape", [(7,), (4, 5, 7)])
def test_maxout_is_the_largest_of_its_pieces(rng, units_and_pieces, shape):
    units, pieces = units_and_pieces
    layer = Maxout(units, pieces)
    layer.build((None, *shape))
    kernel, bias = rng.normal(size=(7, units * pieces)), rng.normal(size=units * pieces)
    layer.set_weights([kernel, bias])
    inputs = rng.normal(size=(2, *shape))
    expected = (inputs @ kernel + bias).reshape(2, *shape[:-1], units, pieces).max(axis=-1)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(layer(inputs)), expected, rtol=1e-4, atol=1e-5)
    assert layer(keras.KerasTensor((None, *shape))).shape == layer.compute_output_shape((None, *shape))


def test_maxout_learns_the_absolute_value():
    x = np.linspace(-1, 1, 64, dtype=np.float32)[:, np.newaxis]
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((1,)), Maxout(1, kernel_regularizer="l2")])
    model.compile(keras.optimizers.SGD(0.3), "mse", jit_compile=False)
    losses = model.fit(x, np.abs(x), epochs=30, verbose=0).history["loss"]
    assert losses[-1] < losses[0] / 3
    penalty = 0.01 * (model.get_weights()[0] ** 2).sum()
    assert sum(float(loss) for loss in model.losses) == pytest.approx(penalty, rel=1e-4)


@pytest.mark.slow
def test_the_layers_survive_saving_and_another_process(tmp_path):
    inputs = keras.Input((24, 24, 1))
    vector = HOGLayer(orientations=7, cell_size=(6, 4), block_size=1, block_norm="L1")(inputs)
    outputs = Maxout(3, 4, use_bias=False, kernel_initializer="he_normal", kernel_regularizer="l2")(vector)
    model = keras.Model(inputs, outputs)
    images = photos(n=2, side=24, channels=1).astype(np.float32)
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "images.npy", images)
    code = """
import sys
import numpy as np
from cvclassic.neural import HOGLayer, prepare_backend
model = prepare_backend().saving.load_model(sys.argv[1] + "/model.keras")
np.save(sys.argv[1] + "/scores.npy", model.predict(np.load(sys.argv[1] + "/images.npy"), verbose=0))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path], env=os.environ, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(np.load(tmp_path / "scores.npy"), model.predict(images, verbose=0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: HOGLayer(orientations=0), "orientations=0"),
        (lambda: HOGLayer(cell_size=2.5), "cell_size=2.5"),
        (lambda: HOGLayer(block_size=(2, 2, 2)), "block_size="),
        (lambda: HOGLayer(block_norm="l2"), "L2-Hys"),
        (lambda: HOGLayer().build((None, 16, 15, 1)), "16 x 15 pixels.*16 x 16"),
        (lambda: HOGLayer().build((None, None, None, 3)), "one size"),
        (lambda: HOGLayer().build((None, 784)), "one size"),
        (lambda: Maxout(0), "units=0"),
        (lambda: Maxout(3, pieces=True), "pieces=True"),
    ],
)
def test_wrong_parameters_are_named(make, message):
    with pytest.raises(InputError, match=message):
        make()
