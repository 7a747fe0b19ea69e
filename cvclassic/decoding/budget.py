"""Memory that all threads share: who wants more than is left, waits."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Budget:
    """Bytes that may be in use at a time."""

    def __init__(self, most: int):
        self.most = most
        self._left = most
        self._changed = threading.Condition()

    @contextmanager
    def taking(self, n: int) -> Iterator[None]:
        """Wait until `n` bytes, at most `most`, are free, and hold them meanwhile."""
        n = min(n, self.most)
        with self._changed:
            while self._left < n:
                self._changed.wait()
            self._left -= n
        try:
            yield
        finally:
            with self._changed:
                self._left += n
                self._changed.notify_all()


# Together they stay under 1 GiB. A thread takes of the first, then of the second, so that none waits for another in a
# circle.
READING = Budget(256 * 2**20)  # what files hold; also the largest file that is read
DECODING = Budget(640 * 2**20)  # what decoders need for pixels: 223 million of a usual photograph
