"""Names that are URLs, and no paths."""

import re

SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)(://|::)")  # one letter alone is a drive of Windows


def is_url(name: object) -> bool:
    """Whether a name is a URL, as `s3://bucket/folder`, and no path."""
    return isinstance(name, str) and SCHEME.match(name) is not None and local_path(name) is None


def local_path(name: str) -> str | None:
    """The path that a `file://` URL means; None for anything else."""
    found = re.fullmatch(r"(?:file|local)://(/.*)", name, re.DOTALL)
    return found and found[1]
