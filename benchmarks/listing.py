"""What the names of very many files cost: bytes that stay in memory, and the time to pack and to cut them.

python benchmarks/listing.py [--files 1000000]
"""

import argparse
import time
import uuid

from cvclassic.datasets.listing import BLOCK, cut, unpack_all

CHUNK = 2730  # images of 64 x 64 x 3 pixels in 32 MiB


def numbered(n: int) -> list[str]:
    """As cameras and scripts name files."""
    return [f"cat/{k:08}.jpg" for k in range(n)]


def random_names(n: int) -> list[str]:
    """As uploads are named: 32 hexadecimal digits, which hold 16 bytes of chance."""
    return sorted(f"cat/{uuid.uuid4().hex}.jpg" for _ in range(n))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=1_000_000)
    n = parser.parse_args().files
    for names in (numbered, random_names):
        listed = names(n)
        start = time.process_time()
        blocks = list(cut(listed, BLOCK))
        chunks = list(cut(unpack_all(blocks), CHUNK))
        seconds = time.process_time() - start
        packed = sum(map(len, chunks))
        print(f"{names.__name__}: {packed / n:.1f} bytes a name, {seconds * 1e6 / n:.1f} s of processor per 10^6 names")
