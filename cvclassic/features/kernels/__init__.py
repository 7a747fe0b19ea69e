"""The numeric loops of the extractors, compiled by numba: one call works on a batch of images, without the GIL.

A file for each kind of feature; shared.py has what several need, vectors.py steps of several values at once.

Every function is compiled once for each dtype of the images (uint8, float32) and kept on disk. Scratch arrays are made
once per call, not per image. Images come as `(n, height, width, channels)` with 1 or 3 channels, C-contiguous; floating
point pixels are brought to the scale of 0..255 by `scale`.
"""

import contextlib
from pathlib import Path

from cvclassic.features.kernels.shared import load


def forget_outdated() -> None:
    """Remove the indexes of what was compiled before a source file here changed.

    What is compiled of one file holds code of others, and numba looks at the changes of the file itself alone.
    """
    sources = list(Path(__file__).parent.glob("*.py"))
    with contextlib.suppress(OSError):  # nothing is kept, or it can't be removed: numba then says so
        changed = max(source.stat().st_mtime for source in sources)
        for source in sources:
            for index in Path(load.stats.cache_path).glob(f"{source.stem}.*.nbi"):
                if index.stat().st_mtime < changed:
                    index.unlink(missing_ok=True)


forget_outdated()
