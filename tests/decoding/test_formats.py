"""Each format comes back as it was written; the oracle is Pillow, which reads all of them."""

import io
import struct
from importlib.util import find_spec

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from cvclassic.decoding import InputContract, UnreadableError
from cvclassic.decoding.pixels import read_image

HEIGHT, WIDTH = 48, 64
AS_IT_IS = InputContract(HEIGHT, WIDTH, 3, "stretch")
smooth = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
PICTURE = cv2.resize(smooth, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
RGB = Image.fromarray(PICTURE)
GRAY = PICTURE[..., 0].astype(np.uint16)


def saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def opaque(content):
    """What Pillow sees, on white."""
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert("RGBA")
    return np.asarray(Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB"))


def veiled():
    """The picture, less opaque from left to right."""
    image = RGB.convert("RGBA")
    image.putalpha(Image.fromarray(np.tile(np.linspace(0, 255, WIDTH).astype(np.uint8), (HEIGHT, 1))))
    return image


FILES = {
    "JPEG": (RGB, "JPEG", {}),
    "progressive JPEG": (RGB, "JPEG", {"progressive": True}),
    "gray JPEG": (RGB.convert("L"), "JPEG", {}),
    "CMYK JPEG": (RGB.convert("CMYK"), "JPEG", {}),
    "PNG": (RGB, "PNG", {}),
    "gray PNG": (RGB.convert("L"), "PNG", {}),
    "PNG of one bit": (RGB.convert("1"), "PNG", {}),
    "palette PNG": (RGB.convert("P"), "PNG", {}),
    "palette PNG with a transparent color": (RGB.convert("P"), "PNG", {"transparency": 5}),
    "gray PNG with a transparent color": (RGB.convert("L"), "PNG", {"transparency": int(GRAY[0, 0])}),
    "PNG with a transparent color": (RGB, "PNG", {"transparency": tuple(PICTURE[0, 0].tolist())}),
    "RGBA PNG": (veiled(), "PNG", {}),
    "gray PNG with transparency": (veiled().convert("LA"), "PNG", {}),
    "BMP": (RGB, "BMP", {}),
    "palette BMP": (RGB.convert("P"), "BMP", {}),
    "BMP of one bit": (RGB.convert("1"), "BMP", {}),
    "WebP": (RGB, "WEBP", {}),
    "WebP without loss": (RGB, "WEBP", {"lossless": True}),
    "WebP with transparency": (veiled(), "WEBP", {}),
    "animated WebP": (RGB, "WEBP", {"save_all": True, "append_images": [RGB.rotate(180)]}),
    "TIFF": (RGB, "TIFF", {}),
    "gray TIFF": (RGB.convert("L"), "TIFF", {}),
    "TIFF of one bit, as fax": (RGB.convert("1"), "TIFF", {"compression": "group4"}),
    "LZW TIFF": (RGB, "TIFF", {"compression": "tiff_lzw"}),
    "deflated TIFF": (RGB, "TIFF", {"compression": "tiff_adobe_deflate"}),
    "palette TIFF": (RGB.convert("P"), "TIFF", {}),
    "CMYK TIFF": (RGB.convert("CMYK"), "TIFF", {}),
    "RGBA TIFF": (veiled(), "TIFF", {}),
    "TIFF of two pages": (RGB, "TIFF", {"save_all": True, "append_images": [RGB.rotate(180)]}),
    "GIF": (RGB.convert("P"), "GIF", {}),
    "GIF with a transparent color": (RGB.convert("P"), "GIF", {"transparency": 5}),
    "animated GIF": (RGB.convert("P"), "GIF", {"save_all": True, "append_images": [RGB.rotate(180).convert("P")]}),
    "AVIF": (RGB, "AVIF", {}),
    "AVIF with transparency": (veiled(), "AVIF", {}),
    "JPEG 2000": (RGB, "JPEG2000", {}),
    "PPM": (RGB, "PPM", {}),
    "PGM": (RGB.convert("L"), "PPM", {}),
}


@pytest.mark.parametrize("name", FILES)
def test_a_format_is_read_as_pillow_reads_it(name):
    image, kind, options = FILES[name]
    content = saved(image, kind, **options)
    found, facts = read_image(content, AS_IT_IS)
    assert facts[:2] == (HEIGHT, WIDTH)
    difference = np.abs(found.astype(int) - opaque(content))
    assert difference.max() <= (1 if "transparency" in name else 0)
    gray, _ = read_image(content, InputContract(HEIGHT, WIDTH, 1, "stretch"))
    assert np.abs(gray.astype(int) - cv2.cvtColor(found, cv2.COLOR_RGB2GRAY)).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_an_orientation_mark_is_followed(kind, orientation):
    exif = Image.Exif()
    exif[0x112] = orientation
    content = saved(RGB, kind, exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert("RGB"))
    assert expected.shape[:2] == ((HEIGHT, WIDTH) if orientation < 5 else (WIDTH, HEIGHT))
    found, facts = read_image(content, InputContract(*expected.shape[:2], 3))
    assert facts[:2] == expected.shape[:2]
    assert np.array_equal(found, expected)


def test_a_cmyk_jpeg_is_turned_too():
    exif = Image.Exif()
    exif[0x112] = 6
    content = saved(RGB.convert("CMYK"), "JPEG", exif=exif)
    found, _ = read_image(content, InputContract(WIDTH, HEIGHT, 3))
    assert np.array_equal(found, opaque(content))


def of_16_bits(values, kind):
    if kind in ("png", "tiff"):
        return cv2.imencode(f".{kind}", values[..., ::-1] if values.ndim == 3 else values)[1].tobytes()
    return b"P%d %d %d 4095\n" % (5 + (values.ndim == 3), WIDTH, HEIGHT) + values.astype(">u2").tobytes()


@pytest.mark.parametrize("kind", ["png", "tiff", "pnm"])
@pytest.mark.parametrize("color", [False, True])
def test_twelve_bits_in_sixteen_are_no_dark_picture(kind, color):
    values = (PICTURE if color else PICTURE[..., 0]).astype(np.uint16) * 16
    values.flat[0] = 4095
    found, facts = read_image(of_16_bits(values, kind), AS_IT_IS)
    expected = values / 4095 * 255
    assert np.abs(found - (expected if color else expected[..., np.newaxis])).max() <= 1
    assert facts[2:] == (3 if color else 1, 16)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_the_fewest_usual_bits_that_hold_all_values_are_the_scale(bits):
    values = np.linspace(0, 2**bits - 1, WIDTH * HEIGHT).astype(np.uint16).reshape(HEIGHT, WIDTH)
    found, _ = read_image(of_16_bits(values, "png"), AS_IT_IS)
    assert np.abs(found[..., 0] - values / (2**bits - 1) * 255).max() <= 0.5 + 1e-6


def test_transparency_of_16_bits_is_on_white():
    values = np.zeros((HEIGHT, WIDTH, 4), np.uint16)
    values[..., 2], values[: HEIGHT // 2, :, 3] = 4095, 65535  # red of 12 bits in BGRA, above opaque
    found, _ = read_image(cv2.imencode(".png", values)[1].tobytes(), AS_IT_IS)
    assert (found[: HEIGHT // 2] == (255, 0, 0)).all()
    assert (found[HEIGHT // 2 :] == 255).all()


@pytest.mark.parametrize(
    ("low", "high", "as_shown"),
    [
        (0.0, 1.0, lambda values: values * 255),
        (0.0, 200.0, lambda values: values),
        (0.0, 3000.0, lambda values: values / 4095 * 255),
        (-5.0, 5.0, lambda values: (values + 5) / 10 * 255),
        (0.0, 1e6, lambda values: values / 1e6 * 255),
    ],
)
def test_floating_point_tiff_by_the_stated_rule(low, high, as_shown):
    values = np.linspace(low, high, WIDTH * HEIGHT).astype(np.float32).reshape(HEIGHT, WIDTH)
    found, facts = read_image(saved(Image.fromarray(values), "TIFF"), AS_IT_IS)
    assert np.abs(found[..., 0] - as_shown(values)).max() <= 1
    assert facts[3] == 32


def test_what_is_no_number_in_a_tiff_is_black():
    values = np.full((HEIGHT, WIDTH), 0.5, np.float32)
    values[0, 0] = np.nan
    found, _ = read_image(saved(Image.fromarray(values), "TIFF"), AS_IT_IS)
    assert found[0, 0].tolist() == [0, 0, 0]
    assert set(found[1:].ravel().tolist()) <= {127, 128}


def test_the_content_tells_the_format():
    """An AVIF or PNG that is called .jpg is read; only the content comes here, and it needs no name."""
    for kind in ("PNG", "AVIF", "GIF"):
        assert read_image(saved(RGB, kind), AS_IT_IS)[0].shape == (HEIGHT, WIDTH, 3)


@pytest.mark.skipif(find_spec("pillow_heif") is not None, reason="what reads HEIC is installed")
def test_heic_is_named_with_what_to_install():
    content = struct.pack(">I4s4sI4s4s", 24, b"ftyp", b"heic", 0, b"mif1", b"heic") + bytes(100)
    with pytest.raises(UnreadableError, match="pip install pillow-heif"):
        read_image(content, AS_IT_IS)
