"""The parts of a report, each made on its own: in place of one that fails stands a line that says so."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from cvclassic.study.lines import description_lines, failure_lines, header_lines, question_lines, remark_lines
from cvclassic.study.sentences import answer, what_to_do, what_was_seen
from cvclassic.study.study import DatasetStudy, Study

T = TypeVar("T")
WARNING = "Warning"  # how a line begins that warns
STILL_LEARNING = "Still learning"
FINDING = "Data, "  # of the doctor


@dataclass(frozen=True)
class Words:
    """What is said of a data set. `what_to_do` are the first sentences of the answer."""

    answer: list[str]
    what_to_do: list[str]
    description: list[str]
    questions: list[str]
    remarks: list[str]
    failures: list[str]

    @property
    def reasons(self) -> list[str]:
        """The rest of the answer."""
        return self.answer[len(self.what_to_do) :]

    @property
    def warnings(self) -> list[str]:
        """The remarks that may change what is made of the figures."""
        return [line for line in self.remarks if line.startswith((FINDING, WARNING, STILL_LEARNING))]


def part(what: str, make: Callable[..., T], *arguments: object) -> T | str:
    """What `make` returns, which is no text; where it fails a line that says so."""
    try:
        return make(*arguments)
    except Exception as error:  # whatever it is, the other parts stand
        return f"{what} could not be made: {type(error).__name__}: {error}"


def words_of(dataset: DatasetStudy) -> Words:
    """The sentences and lines on a data set."""
    said, first = _lines("The answer", answer, dataset), _lines("What to do", what_to_do, dataset)
    return Words(
        answer=said,
        what_to_do=first if said[: len(first)] == first else said[:1],
        description=_lines("The description", description_lines, dataset),
        questions=_lines("The figures of the questions", question_lines, dataset),
        remarks=_lines("The remarks", remark_lines, dataset),
        failures=_lines("The list of failures", failure_lines, dataset),
    )


def header_of(study: Study) -> list[str]:
    """The lines on the run."""
    return _lines("The header", header_lines, study)


def seen_in(datasets: Sequence[DatasetStudy]) -> list[str]:
    """The sentences on a sweep; of any other run there are none."""
    if not any(dataset.study.is_sweep for dataset in datasets):
        return []
    return _lines("What was seen", what_was_seen, datasets)


def _lines(what: str, make: Callable[..., list[str]], *arguments: object) -> list[str]:
    found = part(what, make, *arguments)
    return [found] if isinstance(found, str) else found
