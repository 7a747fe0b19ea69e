import struct

import cv2
import numpy as np
import pytest

from cvclassic.datasets import load
from cvclassic.errors import DataError, InputError

rng = np.random.default_rng(0)


def color_image(height=40, width=40):
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def write(path, image):
    """Write an RGB, RGBA or gray image; the suffix is the format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    code = {2: None, 3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}[image.shape[2] if image.ndim == 3 else 2]
    assert cv2.imwrite(str(path), image if code is None else cv2.cvtColor(image, code))


def write_classes(folder, classes=("cat", "dog"), n=4, make=color_image):
    for name in classes:
        for i in range(n):
            write(folder / name / f"{i}.png", make())


def test_images_come_as_rgb_in_the_order_of_class_and_name(tmp_path):
    images = {f"{name}/{i}.png": color_image(32, 32) for name in ("b", "a") for i in range(5)}
    for name, image in images.items():
        write(tmp_path / "pets" / name, image)
    pets = load(str(tmp_path / "pets"))
    assert pets.name == "pets"
    assert pets.class_names == ("a", "b")
    assert np.array_equal(pets.images, np.stack([images[name] for name in sorted(images)]))
    assert pets.labels.tolist() == [0] * 5 + [1] * 5
    assert pets.warnings == ()
    assert "10 image files" in pets.provenance
    assert np.array_equal(np.sort(np.concatenate([pets.train, pets.validation, pets.test])), np.arange(10))


def test_train_and_test_folders_are_the_official_split(tmp_path):
    write_classes(tmp_path / "train", n=5)
    write_classes(tmp_path / "test", n=2)
    write_classes(tmp_path / "more", n=2)
    dataset = load(str(tmp_path))
    assert np.array_equal(dataset.test, np.arange(10, 14))
    assert dataset.labels[dataset.test].tolist() == [0, 0, 1, 1]
    assert len(dataset.warnings) == 1
    assert dataset.warnings[0].endswith("more")


def test_images_are_averaged_down_and_interpolated_up(tmp_path):
    checks = np.zeros((64, 64, 3), np.uint8)
    checks[::2, ::2] = checks[1::2, 1::2] = (200, 100, 50)
    write_classes(tmp_path, make=lambda: checks)
    assert (load(str(tmp_path), image_size=16).images == (100, 50, 25)).all()
    assert load(str(tmp_path), image_size=100).images.shape == (8, 100, 100, 3)


def test_gray_files_make_a_gray_batch_and_mixed_ones_do_not(tmp_path):
    gray = rng.integers(0, 256, (32, 32), dtype=np.uint8)
    write_classes(tmp_path, make=lambda: gray)
    batch = load(str(tmp_path)).images
    assert batch.shape == (8, 32, 32)
    assert np.array_equal(batch[3], gray)
    write(tmp_path / "dog" / "color.png", color_image())
    batch = load(str(tmp_path)).images
    assert batch.shape == (9, 32, 32, 3)
    assert np.array_equal(batch[0], np.dstack([gray] * 3))


def test_sixteen_bits_become_eight(tmp_path):
    ramp = np.linspace(0, 65535, 32 * 32).reshape(32, 32).astype(np.uint16)
    write_classes(tmp_path, make=lambda: ramp)
    assert np.abs(load(str(tmp_path)).images[0] - ramp / 257).max() <= 1


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_transparent_pixels_become_white(tmp_path, dtype):
    most = np.iinfo(dtype).max
    image = np.zeros((32, 32, 4), dtype)
    image[:16] = (most, 0, 0, most)  # opaque red above, invisible black below
    write_classes(tmp_path, make=lambda: image)
    batch = load(str(tmp_path)).images
    assert (batch[:, :16] == (255, 0, 0)).all()
    assert (batch[:, 16:] == 255).all()


def test_orientation_marks_are_followed(tmp_path):
    image = np.zeros((32, 32, 3), np.uint8)
    image[:16] = 255  # bright above
    write_classes(tmp_path, n=3, make=lambda: image)
    jpeg = cv2.imencode(".jpg", image)[1].tobytes()
    turn_right = struct.pack("<2sHIHHHII", b"II", 42, 8, 1, 0x0112, 3, 1, 6) + bytes(4)
    segment = b"Exif\0\0" + turn_right
    marked = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + jpeg[2:]
    (tmp_path / "cat" / "9.jpg").write_bytes(marked)
    turned = load(str(tmp_path)).images[3]
    assert turned[:, 20:].min() > 200  # bright on the right
    assert turned[:, :12].max() < 50


def test_unreadable_files_are_named_and_counted(tmp_path):
    write_classes(tmp_path, n=6)
    (tmp_path / "cat" / "empty.jpg").write_bytes(b"")
    (tmp_path / "dog" / "text.png").write_text("no image")
    jpeg = cv2.imencode(".jpg", color_image())[1].tobytes()
    (tmp_path / "dog" / "truncated.jpg").write_bytes(jpeg[: len(jpeg) // 2])
    dataset = load(str(tmp_path))
    assert dataset.images.shape[0] == len(dataset.labels) == 12
    assert len(dataset.warnings) == 1
    for part in ("3 image files", "cat/empty.jpg", "dog/text.png", "dog/truncated.jpg"):
        assert part in dataset.warnings[0].replace("\\", "/")


def test_many_unreadable_files_are_counted_beyond_the_first(tmp_path):
    write_classes(tmp_path, n=6)
    for i in range(30):
        (tmp_path / "cat" / f"bad{i:02}.jpg").write_bytes(b"?")
    (warning,) = load(str(tmp_path)).warnings
    assert warning.startswith("30 image files")
    assert warning.endswith("and 25 more")


def test_hidden_files_and_other_files_are_passed_over(tmp_path):
    write_classes(tmp_path, n=4)
    for name in (".DS_Store", "._0.png", "notes.txt", "Thumbs.db"):
        (tmp_path / "cat" / name).write_bytes(b"?")
    (tmp_path / ".git").mkdir()
    (tmp_path / "readme.md").write_text("?")
    dataset = load(str(tmp_path))
    assert len(dataset.images) == 8
    assert dataset.warnings == ()


def no_folders(folder):
    write(folder / "0.png", color_image())


def one_class(folder):
    write_classes(folder, ("cat",))


def train_alone(folder):
    write_classes(folder / "train")


def one_class_in_parts(folder):
    write_classes(folder / "train", ("cat",))
    write_classes(folder / "test", ("cat",))


def empty_classes(folder):
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)


def an_empty_class(folder):
    write_classes(folder)
    (folder / "emu").mkdir()


def a_class_of_two(folder):
    write_classes(folder)
    write_classes(folder, ("emu",), n=2)


def other_classes_in_test(folder):
    write_classes(folder / "train", ("cat", "dog"))
    write_classes(folder / "test", ("cat", "emu"))


def unreadable_class(folder):
    write_classes(folder)
    for i in range(3):
        (folder / "emu").mkdir(exist_ok=True)
        (folder / "emu" / f"{i}.png").write_text("?")


def all_unreadable(folder):
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for i in range(3):
            (folder / name / f"{i}.png").write_text("?")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (no_folders, "found no folder"),
        (one_class, "found cat"),
        (train_alone, "found train"),
        (one_class_in_parts, "one class folder, cat"),
        (empty_classes, "holds a readable image file"),
        (an_empty_class, r"too few in emu \(0\)"),
        (a_class_of_two, r"needs 3 image files or more; too few in emu \(2\)"),
        (other_classes_in_test, "train: dog; only in .*test: emu"),
        (unreadable_class, r"emu \(0\).*3 image files could not be read"),
        (all_unreadable, r"holds a readable image file.*6 image files"),
    ],
)
def test_a_folder_that_is_no_data_set_says_why(tmp_path, make, message):
    make(tmp_path / "set")
    with pytest.raises(DataError, match=message):
        load(str(tmp_path / "set"))


@pytest.mark.parametrize("image_size", [-1, 0, 7])
def test_an_image_size_too_small_is_refused(tmp_path, image_size):
    write_classes(tmp_path)
    with pytest.raises(InputError, match=f"image_size={image_size}"):
        load(str(tmp_path), image_size=image_size)
