"""`cnn_fast` and what it is made of, against scikit-learn's PCA, Keras's own normalization and formulas."""

import functools

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_sample_image
from sklearn.decomposition import PCA

from cvclassic.errors import InputError
from cvclassic.neural import (
    FusedBatchNormalization,
    NeuralClassifier,
    PatchWhitening,
    TrainingStack,
    cnn_fast,
    fastest_precision,
    prepare_backend,
)
from cvclassic.neural.losses import make_loss
from cvclassic.neural.whitening import adapt

keras = prepare_backend()


@pytest.fixture(scope="module")
def photos():
    """Tiles of a photograph, bytes, (12, 20, 24, 3)."""
    china = load_sample_image("china.jpg")
    return np.stack([china[30 * k : 30 * k + 20, 40 * k : 40 * k + 24] for k in range(12)])


@pytest.fixture(scope="module")
def digits():
    """Images of 16 x 16 bytes, and labels."""
    data = load_digits()
    images = np.rint(data.images * (255 / 16)).astype(np.uint8).repeat(2, axis=1).repeat(2, axis=2)
    return images, data.target


@pytest.mark.parametrize(("side", "channels"), [(2, 3), (3, 1)])
def test_whitened_patches_are_principal_components_and_their_negatives(photos, side, channels):
    images = photos[..., :channels] / np.float32(255)
    layer = PatchWhitening(side, epsilon=1e-9)
    layer.build((None, *images.shape[1:]))
    layer.adapt(images)
    maps = keras.ops.convert_to_numpy(layer(images))
    assert maps.shape == layer.compute_output_shape(images.shape)
    windows = np.lib.stride_tricks.sliding_window_view(images, (side, side), axis=(1, 2))
    patches = windows.transpose(0, 1, 2, 4, 5, 3).reshape(-1, side * side * channels).astype(np.float64)
    expected = PCA(whiten=True, svd_solver="full").fit_transform(patches)
    positive, negative = np.split(maps.reshape(len(patches), -1), 2, axis=1)
    np.testing.assert_allclose(np.abs(positive), np.abs(expected), atol=0.02)
    np.testing.assert_allclose(positive, -negative, atol=1e-4)


def test_components_below_the_noise_stay_small(photos):
    gray = np.repeat(photos[..., :1], 3, axis=-1) / np.float32(255)  # two thirds of the components are nothing
    layer = PatchWhitening()
    layer.build((None, *gray.shape[1:]))
    layer.adapt(gray)
    deviations = keras.ops.convert_to_numpy(layer(gray)).std(axis=(0, 1, 2))[:12]
    assert (deviations[:3] > 0.7).all()
    assert (deviations[4:] < 0.05).all()
    layer.adapt(np.full((2, 5, 5, 3), 0.5, np.float32))  # images of one color
    assert np.isfinite(layer(gray)).all()


def test_every_whitening_layer_is_adapted_wherever_it_stands(photos):
    inner = keras.Sequential([keras.Input((20, 24, 3)), PatchWhitening(3), keras.layers.ReLU()])
    network = keras.Sequential([keras.Input((20, 24, 3)), keras.layers.Rescaling(1 / 255), inner])
    adapt(network, photos, seed=0)
    alone = PatchWhitening(3)
    alone.build((None, 20, 24, 3))
    alone.adapt(photos / np.float32(255))
    np.testing.assert_allclose(np.abs(inner.layers[0].kernel), np.abs(alone.kernel), rtol=0.02, atol=0.02)


@pytest.mark.parametrize("made", [lambda: PatchWhitening(0), lambda: PatchWhitening(epsilon=0)])
def test_parameters_of_whitening_are_checked(made):
    with pytest.raises(InputError, match=r"patch_size=0|epsilon=0"):
        made()


def test_images_smaller_than_a_patch_are_refused():
    with pytest.raises(InputError, match="Images of 2 x 5 pixels"):
        PatchWhitening(3).build((None, 2, 5, 1))


def test_fused_normalization_is_that_of_keras():
    x = np.random.default_rng(0).normal(2, 3, (16, 6, 5, 4)).astype(np.float32)
    ours, theirs = FusedBatchNormalization(momentum=0.9), keras.layers.BatchNormalization(momentum=0.9)
    for layer in (ours, theirs):
        layer.build(x.shape)
        layer.set_weights([np.arange(1, 5.0), np.arange(4.0), *layer.get_weights()[2:]])
    np.testing.assert_allclose(ours(x, training=True), theirs(x, training=True), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(ours.moving_mean, theirs.moving_mean, rtol=1e-4)
    unbiased = 480 / 479 if keras.backend.backend() == "tensorflow" else 1
    np.testing.assert_allclose(
        np.asarray(ours.moving_variance) - 0.9, unbiased * (np.asarray(theirs.moving_variance) - 0.9), rtol=1e-3
    )
    theirs.set_weights(ours.get_weights())
    np.testing.assert_allclose(ours(x, training=False), theirs(x, training=False), rtol=1e-4, atol=1e-4)


def test_smoothed_labels_share_some_of_their_1():
    random = np.random.default_rng(0)
    scores, targets = random.normal(0, 2, (6, 4)).astype(np.float32), np.eye(4, dtype=np.float32)[[0, 1, 2, 3, 1, 1]]
    log_p = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    expected = -((0.8 * targets + 0.2 / 4) * log_p).sum(axis=1).mean()
    assert float(make_loss("categorical_crossentropy", 0.2)(targets, scores)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label_smoothing": 1, "loss": "categorical_crossentropy"}, "from 0 to below 1"),
        ({"label_smoothing": 0.1}, 'needs the one-hot targets of loss="categorical_crossentropy"'),
    ],
)
def test_label_smoothing_is_checked(digits, options, message):
    X, y = digits
    with pytest.raises(InputError, match=message):
        NeuralClassifier(cnn_fast, **options).fit(X[:50], y[:50])


def test_it_learns_digits_in_few_steps(digits):
    X, y = digits
    stack = TrainingStack(optimizer="nesterov", learning_rate=0.5, epochs=12, batch_size=64, warmup_epochs=2)
    network = functools.partial(cnn_fast, width=8)
    options = {"loss": "categorical_crossentropy", "label_smoothing": 0.1, "stack": stack, "verbose": False}
    model = NeuralClassifier(network, **options).fit(X[:600], y[:600])
    assert model.score(X[600:1200], y[600:1200]) > 0.93
    [kernel] = [w for w in model.model_.weights if w.path.endswith("patch_whitening/kernel")]
    again = NeuralClassifier(network, **options)
    again.classes_, again.input_shape_ = model.classes_, model.input_shape_
    again.take_weights(model.model_.get_weights())  # the computed filters among them
    np.testing.assert_allclose(again.model_.predict(X[:9], verbose=0), model._scores(X[:9]), rtol=1e-5, atol=1e-5)
    assert np.asarray(kernel).any()


@pytest.mark.parametrize("shape", [(9, 9, 1), (30, 17, 3)])
def test_it_takes_images_of_any_small_shape(shape):
    assert cnn_fast(shape, 7, width=4).output_shape == (None, 7)


def test_bfloat16_is_for_processors_that_multiply_it(tmp_path):
    assert fastest_precision(tmp_path / "none") == "float32"
    cpuinfo = tmp_path / "cpuinfo"
    for flags, expected in (("fpu avx512f", "float32"), ("fpu avx512f amx_bf16 amx_tile", "mixed_bfloat16")):
        cpuinfo.write_text(f"processor\t: 0\nmodel name\t: Some Processor\nflags\t\t: {flags}\n\n")
        assert fastest_precision(cpuinfo) == expected
