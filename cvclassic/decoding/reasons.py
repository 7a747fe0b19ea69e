"""Why a file can't be read: the words that warnings and findings use."""

EMPTY, CUT_OFF, NO_PICTURE, LOCKED = "empty", "cut off", "no picture, or a damaged one", "not readable for this user"
MISSING = "not there"
CHANGED = "changed while it was read"
NO_FILE = "no file, but a folder, pipe, device or socket"
LINK_LOOP = "a link that leads to no file"
HEIC = "HEIC, which needs the package pillow-heif (pip install pillow-heif)"
ENCRYPTED = "encrypted"


class UnreadableError(Exception):
    """A file whose picture can't be had; the text is the reason, as part of a sentence."""


def too_many_bytes(size: int, most: int) -> UnreadableError:
    """For a file, or a member of an archive, that is larger than any picture that is read."""
    return UnreadableError(f"too large: {size:,} bytes, and at most {most:,} are read")


def too_many_pixels(height: int, width: int, cost: int, most: int) -> UnreadableError:
    """For a picture that would take too much memory while it is decoded."""
    return UnreadableError(
        f"too large: its head says {width:,} x {height:,} pixels, which take {cost / 2**20:,.0f} MiB to decode, and at "
        f"most {most / 2**20:,.0f} are given"
    )
