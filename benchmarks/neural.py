"""Time the neural side against its peers, in one process and in turns.

    python benchmarks/neural.py           # tables
    python benchmarks/neural.py --quick   # fewer images and rounds

HOGLayer on Keras's backend (KERAS_BACKEND), and on the GPU where the backend has one, beside the compiled loops of HOG
and scikit-image on the same images, all threads; parity is checked first. Then `cnn` trained by NeuralClassifier with
its TrainingStack, recomputed statistics of batch normalization included, beside the same network in a bare call of
`keras.Model.fit` with the same validation data. Figures are
medians over rounds in which all take turns; ratios are medians of the rounds' ratios.
"""

import argparse
import platform
import time
from functools import partial

import cv2
import numpy as np
from skimage.feature import hog

from cvclassic.datasets import load
from cvclassic.features import HOG
from cvclassic.neural import HOGLayer, NeuralClassifier, TrainingStack, cnn, preflight, prepare_backend

keras = prepare_backend()

SHAPES = ((32, 32, 1), (32, 32, 3), (64, 64, 1), (64, 64, 3))
PIXELS = 4_000_000  # in the images of one call


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer images and rounds")
    quick = parser.parse_args().quick
    on_gpu = any(name.lower().startswith(("gpu", "cuda")) for name in preflight.devices())
    devices = ["cpu", "gpu"] if on_gpu else ["cpu"]
    print(
        f"{platform.processor() or platform.machine()}, Keras {keras.__version__} on {keras.backend.backend()}, "
        f"{', '.join(devices)}"
    )
    print(f"\n{'HOG of images':<16}{'contender':<24}{'images/s':>12}{'times HOG':>12}")
    for shape in SHAPES[:2] if quick else SHAPES:
        compare_hog(shape, devices, rounds=5 if quick else 15, pixels=PIXELS // (10 if quick else 1))
    compare_training(rounds=3 if quick else 5, epochs=1 if quick else 3)


def compare_hog(shape: tuple[int, int, int], devices: list[str], rounds: int, pixels: int) -> None:
    """Print the images per second of each contender."""
    images = make_images(pixels // (shape[0] * shape[1]), shape)
    flat = images if shape[2] == 3 else images[..., 0]
    works = {"HOG (numba)": partial(HOG(convention="skimage").transform, flat)}
    for device in devices:
        works[f"HOGLayer ({device})"] = partial(layer_on(device, shape), images)
    few = flat[: len(flat) // 50]
    works["skimage.feature.hog"] = partial(skimage_hog, few)
    check_parity(works, few)
    seconds = times(works, rounds)
    rates = {name: (len(few) if name.startswith("skimage") else len(images)) / each for name, each in seconds.items()}
    for name, rate in rates.items():
        ratio = np.median(rate / rates["HOG (numba)"])
        print(f"{'x'.join(map(str, shape)):<16}{name:<24}{np.median(rate):>12,.0f}{ratio:>12.3f}", flush=True)


def layer_on(device: str, shape: tuple[int, int, int]):
    """A function from images to features: a model of the one layer, compiled, on `device`."""
    with keras.device(device):
        inputs = keras.Input(shape)
        model = keras.Model(inputs, HOGLayer()(inputs))

    def extract(images):
        with keras.device(device):
            return model.predict_on_batch(images)

    return extract


def skimage_hog(images: np.ndarray) -> np.ndarray:
    """scikit-image's features, image by image, as one has to."""
    axis = -1 if images.ndim == 4 else None
    return np.stack([hog(i, pixels_per_cell=(8, 8), cells_per_block=(2, 2), channel_axis=axis) for i in images])


def make_images(n: int, shape: tuple[int, int, int]) -> np.ndarray:
    """Blurred noise: edges of all directions and strengths, all gray levels."""
    noise = np.random.default_rng(shape[0]).integers(0, 256, (n, *shape), dtype=np.uint8)
    smooth = [cv2.normalize(cv2.GaussianBlur(image, (0, 0), 1.0), None, 0, 255, cv2.NORM_MINMAX) for image in noise]
    return np.stack(smooth).reshape(noise.shape)


def check_parity(works: dict[str, partial], few: np.ndarray) -> None:
    """Raise unless all contenders give the same features for a few images."""
    expected = skimage_hog(few)
    for name, work in works.items():
        error = np.abs(work()[: len(few)] - expected).max()
        if error > 1e-4:
            raise SystemExit(f"{name} and skimage.feature.hog differ by {error:.2g}.")


def compare_training(rounds: int, epochs: int) -> None:
    """Print what NeuralClassifier takes beside a bare call of fit, on the embedded set `shapes`."""
    data = load("shapes")
    X, y, X_val, y_val = (
        part[rows] for rows in (data.train, data.validation) for part in (data.images, data.labels.astype(np.int32))
    )
    stack = TrainingStack(epochs=epochs, early_stopping_patience=epochs)
    works = {
        "keras.Model.fit": partial(bare_fit, stack, X, y, X_val, y_val),
        "NeuralClassifier": partial(stack_fit, stack, X, y, X_val, y_val),
    }
    seconds = times(works, rounds)
    ratio = np.median(seconds["NeuralClassifier"] / seconds["keras.Model.fit"])
    print(f"\ncnn, {epochs} epochs of {len(X):,} images of {X.shape[1]} x {X.shape[2]}, median of {rounds}:")
    for name, each in seconds.items():
        print(f"{name:<18}{np.median(each):8.2f} s  (from {each.min():.2f} to {each.max():.2f})")
    print(f"ratio {ratio:.3f}")


def bare_fit(stack: TrainingStack, X, y, X_val, y_val) -> None:
    """The same network with the same optimizer and batches, and no callbacks."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input(X.shape[1:])
    model = keras.Model(inputs, cnn(X.shape[1:], int(y.max()) + 1)(keras.layers.Rescaling(1 / 255)(inputs)))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(stack.make_optimizer(), loss, metrics=["accuracy"], jit_compile=False)
    model.fit(X, y, stack.batch_size, stack.epochs, validation_data=(X_val, y_val), verbose=0)


def stack_fit(stack: TrainingStack, X, y, X_val, y_val) -> None:
    """What a pipeline does, its lines of progress withheld."""
    NeuralClassifier(cnn, stack=stack, verbose=False).fit(X, y, X_val, y_val)


def times(works: dict[str, partial], rounds: int) -> dict[str, np.ndarray]:
    """Seconds of each work, one a round; a round before them warms up."""
    found = {name: [] for name in works}
    for _ in range(rounds + 1):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            found[name].append(time.perf_counter() - start)
    return {name: np.array(each[1:]) for name, each in found.items()}


if __name__ == "__main__":
    main()
