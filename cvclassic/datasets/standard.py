"""The standard sets: MNIST, Fashion-MNIST, CIFAR-10, CIFAR-100, and the digits of OpenCV's HOG + SVM tutorial.

They are read in the formats that Keras uses. `data/README.md` says what they are, who made them and under which terms.
"""

import hashlib
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from cvclassic.datasets.dataset import LabelledImages
from cvclassic.datasets.formats import check_images_and_labels, read_cifar_batch, read_idx, read_mnist_npz
from cvclassic.datasets.formats import read_opencv_digits as read_digits_page
from cvclassic.datasets.storage import LARGEST_FILE, StandardFiles, damaged, md5, obtain, shown
from cvclassic.errors import DataError

_KERAS_FILES = "https://storage.googleapis.com/tensorflow/tf-keras-datasets"
_CIFAR_FILES = "https://www.cs.toronto.edu/~kriz"
_DIGITS = tuple("0123456789")

# SHA-256: keras/src/datasets/mnist.py, cifar10.py and cifar100.py of Keras 3.15.
MNIST = StandardFiles(
    name="mnist",
    files=("mnist.npz",),
    folders=("",),
    downloads=(
        (
            f"{_KERAS_FILES}/mnist.npz",
            "sha256:731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
        ),
    ),
)
# MD5s of the four idx files, not compressed, as published in many places: they know the pixels in any container.
MNIST_MD5 = {
    "x_train": "6bbc9ace898e44ae57da46a324031adb",
    "y_train": "a25bea736e30d166cdddb491f175f624",
    "x_test": "2646ac647ad5339dbf082846283269ea",
    "y_test": "27ae3e4e09519cfbb04c329615203637",
}

# MD5s: the table in the README of github.com/zalandoresearch/fashion-mnist.
FASHION_MNIST_MD5 = {
    "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
}
FASHION_MNIST = StandardFiles(
    name="fashion_mnist",
    files=tuple(FASHION_MNIST_MD5),
    folders=("fashion-mnist",),
    downloads=tuple((f"{_KERAS_FILES}/{name}", f"md5:{known}") for name, known in FASHION_MNIST_MD5.items()),
)
FASHION_MNIST_CLASSES = (
    "t-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"
)  # fmt: skip

# MD5s of the CIFAR files: torchvision/datasets/cifar.py.
CIFAR10_MD5 = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}
CIFAR10 = StandardFiles(
    name="cifar10",
    files=tuple(CIFAR10_MD5),
    folders=("cifar-10-batches-py", "cifar-10-batches-py-target/cifar-10-batches-py"),
    downloads=(
        (
            f"{_CIFAR_FILES}/cifar-10-python.tar.gz",
            "sha256:6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
        ),
    ),
    archive="cifar-10-python.tar.gz",
)
CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

CIFAR100_MD5 = {"train": "16019d7e3df5f24257cddd939b257f8d", "test": "f0ef6b0ae62326f3e7ffdfab6717acfc"}
CIFAR100 = StandardFiles(
    name="cifar100",
    files=tuple(CIFAR100_MD5),
    folders=("cifar-100-python", "cifar-100-python-target/cifar-100-python"),
    downloads=(
        (
            f"{_CIFAR_FILES}/cifar-100-python.tar.gz",
            "sha256:85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
        ),
    ),
    archive="cifar-100-python.tar.gz",
)
CIFAR100_CLASSES = tuple(
    """
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can
    castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin
    elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard
    lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear
    pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark
    shrew skunk skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone
    television tiger tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm
    """.split()  # noqa: SIM905
)

_OPENCV_DIGITS_PAGE = "https://github.com/opencv/opencv/blob/4.x/samples/data/digits.png"


def load_mnist(data_dir: Path, offline: bool) -> LabelledImages:
    """MNIST: 70,000 handwritten digits, 28 x 28 gray."""
    path = obtain(MNIST, data_dir, offline=offline) / "mnist.npz"
    arrays = read_mnist_npz(path)
    with ThreadPoolExecutor() as pool:
        official = list(pool.map(_idx_md5, (arrays[name] for name in MNIST_MD5))) == list(MNIST_MD5.values())
    return LabelledImages(
        images=np.concatenate([arrays["x_train"], arrays["x_test"]]),
        labels=np.concatenate([arrays["y_train"], arrays["y_test"]]).astype(np.int64),
        class_names=_DIGITS,
        provenance=_provenance(path, official),
        traits=frozenset({"handwriting"}),
        n_train=len(arrays["x_train"]),
    )


def load_fashion_mnist(data_dir: Path, offline: bool) -> LabelledImages:
    """Fashion-MNIST: 70,000 pictures of clothes, 28 x 28 gray."""
    folder = obtain(FASHION_MNIST, data_dir, offline=offline)
    paths = [folder / name for name in FASHION_MNIST.files]
    with ThreadPoolExecutor() as pool:
        hashes = pool.map(md5, paths)
        train_images, train_labels, test_images, test_labels = pool.map(read_idx, paths)
        official = list(hashes) == list(FASHION_MNIST_MD5.values())
    check_images_and_labels(paths[0], train_images, train_labels, (28, 28), 10)
    check_images_and_labels(paths[2], test_images, test_labels, (28, 28), 10)
    return LabelledImages(
        images=np.concatenate([train_images, test_images]),
        labels=np.concatenate([train_labels, test_labels]).astype(np.int64),
        class_names=FASHION_MNIST_CLASSES,
        provenance=_provenance(folder, official),
        traits=frozenset({"mirror"}),
        n_train=len(train_images),
    )


def load_cifar10(data_dir: Path, offline: bool) -> LabelledImages:
    """CIFAR-10: 60,000 photographs of ten kinds of things, 32 x 32 RGB."""
    return _load_cifar(CIFAR10, CIFAR10_MD5, "labels", CIFAR10_CLASSES, data_dir, offline)


def load_cifar100(data_dir: Path, offline: bool) -> LabelledImages:
    """CIFAR-100 with its hundred fine labels: 60,000 photographs, 32 x 32 RGB."""
    return _load_cifar(CIFAR100, CIFAR100_MD5, "fine_labels", CIFAR100_CLASSES, data_dir, offline)


def load_opencv_digits(data_dir: Path, offline: bool) -> LabelledImages:
    """The 5,000 digits of OpenCV's tutorial, 20 x 20 gray: the left half of each row trains, the right half tests."""
    path = data_dir / "digits.png"
    if not path.is_file():
        raise DataError(f"opencv_digits was not found: {path} is missing. Save it there from {_OPENCV_DIGITS_PAGE}")
    grid = read_digits_page(path)
    labels = np.repeat(np.arange(10), 5)[:, np.newaxis].repeat(100, axis=1)
    return LabelledImages(
        images=np.concatenate([half.reshape(-1, 20, 20) for half in (grid[:, :50], grid[:, 50:])]),
        labels=np.concatenate([half.ravel() for half in (labels[:, :50], labels[:, 50:])]),
        class_names=_DIGITS,
        provenance=f"{shown(path)}, the page of OpenCV's tutorial; no hash to check it by",
        traits=frozenset({"handwriting"}),
        n_train=2500,
    )


def _load_cifar(
    wanted: StandardFiles,
    known: dict[str, str],
    label_key: str,
    class_names: tuple[str, ...],
    data_dir: Path,
    offline: bool,
) -> LabelledImages:
    folder = obtain(wanted, data_dir, offline=offline)

    def read(name: str) -> tuple[np.ndarray, np.ndarray, bool]:
        path = folder / name
        if path.stat().st_size > LARGEST_FILE:
            raise damaged(path, f"it has {path.stat().st_size:,} bytes, far more than it should")
        content = path.read_bytes()
        pixels, labels = read_cifar_batch(path, content, label_key, len(class_names))
        return pixels, labels, hashlib.md5(content).hexdigest() == known[name]

    with ThreadPoolExecutor() as pool:
        batches, labels, official = zip(*pool.map(read, wanted.files), strict=True)
        images = np.empty((sum(len(pixels) for pixels in batches), 32, 32, 3), np.uint8)
        parts = np.split(images, np.cumsum([len(pixels) for pixels in batches])[:-1])
        list(pool.map(_interleave, batches, parts))
    return LabelledImages(
        images=images,
        labels=np.concatenate(labels).astype(np.int64),
        class_names=class_names,
        provenance=_provenance(folder, all(official)),
        traits=frozenset({"mirror"}),
        n_train=len(images) - len(batches[-1]),
    )


def _interleave(pixels: np.ndarray, images: np.ndarray) -> None:
    """Fill RGB images from rows of three planes; plane by plane is four times as fast as one transposed copy."""
    planes = pixels.reshape(-1, 3, 32, 32)
    for channel in range(3):
        images[..., channel] = planes[:, channel]


def _provenance(path: Path, official: bool) -> str:
    return f"{shown(path)}; {'official MD5s' if official else 'not the official pixels (MD5s differ)'}"


def _idx_md5(array: np.ndarray) -> str:
    head = struct.pack(f">I{array.ndim}I", 0x0800 + array.ndim, *array.shape)
    digest = hashlib.md5(head)
    digest.update(np.ascontiguousarray(array, np.uint8).data)
    return digest.hexdigest()
