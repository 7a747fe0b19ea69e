"""What counts the seconds of a training, those of its earlier tries included."""

import time
from typing import Protocol


class Meter(Protocol):
    """What `NeuralClassifier.fit` takes as `meter`."""

    def read(self) -> dict[str, float]:
        """What was spent so far, `"seconds"` at least."""
        ...

    def go_on_from(self, spent: dict[str, float]) -> None:
        """Add what the earlier tries of an interrupted training had spent, as their `read` gave it."""
        ...


class Stopwatch:
    """A `Meter` of seconds alone; it starts when it is made."""

    def __init__(self):
        self._started = time.perf_counter()

    def read(self) -> dict[str, float]:
        """`{"seconds": s}`."""
        return {"seconds": time.perf_counter() - self._started}

    def go_on_from(self, spent: dict[str, float]) -> None:
        """Count the seconds of earlier tries too."""
        self._started -= spent["seconds"]
