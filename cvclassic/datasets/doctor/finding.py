"""What a check finds: a `Finding` each, and `Check`, all of them with what was looked at."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

SEVERE, WARNING, NOTE = "severe", "warning", "note"
SEVERITIES = (SEVERE, WARNING, NOTE)


@dataclass(frozen=True)
class Finding:
    """One thing that a user should know of a data set.

    Attributes
    ----------
    kind : str
        Such as `exact_copies`; docs/check.md tells all of them.
    severity : str
        `"severe"`: the answer of a comparison would be wrong or about something else. `"warning"`: it may be.
        `"note"`: worth knowing.
    count : int
        How many; of copies, the files that would go if each picture were kept once.
    files : tuple of str
        Names relative to the data set's folder, or indices of arrays as text; empty where it is about none.
    text : str
        What was found, what it does to the answer, and what to do.
    groups : tuple of tuple of str
        Of copies: the files of each picture.
    """

    kind: str
    severity: str
    count: int
    files: tuple[str, ...]
    text: str
    groups: tuple[tuple[str, ...], ...] = field(default=())


@dataclass(frozen=True)
class Check:
    """What was looked at, and what was found.

    Attributes
    ----------
    name : str
        Of the data set.
    image_shape : tuple of int
        `(height, width)` or `(height, width, 3)`, as pipelines get them.
    class_names : tuple of str
    parts : dict of str to tuple of int
        Images of each class: of `all`, or of `train`, `test` and perhaps `validation` where these were given.
    files : str
        One sentence on sizes, bit depths and colors of the files; empty where there are none.
    findings : tuple of Finding
        Severe ones first.
    """

    name: str
    image_shape: tuple[int, ...]
    class_names: tuple[str, ...]
    parts: dict[str, tuple[int, ...]]
    files: str
    findings: tuple[Finding, ...]

    @property
    def severe(self) -> bool:
        """Whether one of the findings is severe."""
        return any(finding.severity == SEVERE for finding in self.findings)

    @property
    def summary(self) -> str:
        """One sentence on the images, by part and class, and on the share of the most frequent class."""
        shape = f"{self.image_shape[1]} x {self.image_shape[0]} {'RGB' if len(self.image_shape) == 3 else 'gray'}"
        told = [self._part(part, counts) for part, counts in self.parts.items()]
        counts = next(iter(self.parts.values()))
        largest = max(range(len(counts)), key=counts.__getitem__)
        return (
            f"{self.name}: {'; '.join(told)} ({shape}). The most frequent class, {self.class_names[largest]}, has "
            f"{percent(counts[largest], sum(counts))} of the images{'' if len(self.parts) == 1 else ' to train on'}."
        )

    def _part(self, part: str, counts: tuple[int, ...]) -> str:
        what = f"{sum(counts):,} images" if part == "all" else f"{part} {sum(counts):,} images"
        if len(counts) <= 12:
            classes = ", ".join(f"{name} {n:,}" for name, n in zip(self.class_names, counts, strict=True))
            return f"{what} of {len(counts)} classes, {classes}"
        return f"{what} of {len(counts)} classes, {min(counts):,} to {max(counts):,} of each"

    def to_dict(self) -> dict[str, object]:
        """For JSON: the attributes, `severe`, and `images`, how many there are."""
        images = sum(sum(counts) for counts in self.parts.values())
        return {**asdict(self), "images": images, "severe": self.severe}


def percent(n: int, of: int) -> str:
    """A share as text: two digits where it is small."""
    share = 100 * n / of
    return f"{share:.0f} %" if share >= 10 or n in (0, of) else f"{share:.2g} %"


def counted(n: int, one: str, several: str) -> str:
    """`1 image is` or `1,200 images are`."""
    return f"{n:,} {one if n == 1 else several}"


def some(names: Sequence[str], most: int = 3) -> str:
    """The first of some names, and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
