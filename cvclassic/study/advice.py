"""What is asked of a data set before its test images are looked at, what they answer, and what to take.

The questions are few: the best classical pipeline against the best neural one (the best hybrid where there is no neural
one), and against the best pretrained one. Where there is no classical pipeline the first family that is there takes its
place, and where there is one family alone its best two are compared. Which pipeline is the best of its family is chosen
on validation images; with folds inside each fold.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from cvclassic.study.contrasts import difference_of
from cvclassic.study.differences import Difference
from cvclassic.study.verdicts import Kind, Verdict, verdicts

if TYPE_CHECKING:  # the study itself asks its questions
    from cvclassic.study.study import Configuration, DatasetStudy

SIDES = (("classical",), ("neural", "hybrid"), ("pretrained",))


@dataclass(frozen=True, eq=False)
class Question:
    """Two contenders that were to be compared, and what the test images say.

    Attributes
    ----------
    named : tuple of two Configuration
        The best of their families.
    sides : tuple of two Configuration
        What stands for them on the test images: with folds the choices inside each fold, else the same.
    verdict : Verdict or None
        Of the first against the second; None where predictions are missing.
    unfinished : tuple of Configuration
        Those of the two that were still learning when their training ended, where the question was not about a given
        time or number of epochs.
    """

    named: tuple["Configuration", "Configuration"]
    sides: tuple["Configuration", "Configuration"]
    verdict: Verdict | None
    unfinished: tuple["Configuration", ...]

    @property
    def ahead(self) -> "Configuration | None":
        """Which of the two named ones is shown to be better, by however much."""
        if self.verdict is None or self.verdict.ahead is None:
            return None
        return self.named[0 if self.verdict.ahead == "first" else 1]

    @property
    def voided(self) -> bool:
        """Whether the test images decide it, and yet nothing is claimed: what is not ahead was still learning."""
        if self.verdict is None or self.verdict.kind is Kind.UNDECIDED:
            return False
        return any(each is not self.ahead for each in self.unfinished)

    @property
    def decided(self) -> bool:
        return self.verdict is not None and self.verdict.kind is not Kind.UNDECIDED and not self.voided

    @property
    def kind(self) -> Kind:
        return self.verdict.kind if self.decided else Kind.UNDECIDED

    @property
    def preferred(self) -> "Configuration | None":
        """Which of the two named ones is to be preferred, whatever it costs; None where none is shown to be better."""
        return self.ahead if self.decided and self.kind is not Kind.EQUIVALENT else None

    def about(self, configuration: "Configuration") -> bool:
        return any(each is configuration for each in self.named)


@dataclass(frozen=True, eq=False)
class Advice:
    """What to take of a data set's contenders.

    Attributes
    ----------
    taken : Configuration
        The one that is shown to be better; else the fastest to fit of those not shown to be worse.
    questions : tuple of Question
    baseline : Configuration or None
    above_baseline : Difference or None
        Of what is taken against the baseline.
    """

    taken: "Configuration"
    questions: tuple[Question, ...]
    baseline: "Configuration | None"
    above_baseline: Difference | None

    @property
    def beats_baseline(self) -> bool:
        """Whether it is shown to; True too where there is no baseline to compare with."""
        return self.above_baseline is None or self.above_baseline.interval()[0] > 0

    @property
    def open(self) -> list[Question]:
        """Questions about what is taken that are not decided."""
        return [each for each in self.questions if each.about(self.taken) and not each.decided]

    @cached_property
    def figure(self) -> "Configuration":
        """What stands for the taken one on the test images: with folds the choice inside each fold."""
        for question in self.questions:
            for named, side in zip(question.named, question.sides, strict=True):
                if named is self.taken:
                    return side
        return self.taken


def questions_of(dataset: "DatasetStudy") -> tuple[Question, ...]:
    """The questions of a data set, with their verdicts; they are decided together."""
    pairs = _pairs(dataset)
    differences = [difference_of(dataset, *sides) for _, sides in pairs]
    told = iter(verdicts([each for each in differences if each is not None], dataset.study.run.spec.margin / 100))
    found = []
    for (named, sides), made in zip(pairs, differences, strict=True):
        unfinished = () if _is_about_time(dataset) else tuple(each for each in named if each.converged is False)
        found.append(Question(named, sides, None if made is None else next(told), unfinished))
    return tuple(found)


def advice_on(dataset: "DatasetStudy") -> Advice | None:
    """What to take; None where nothing succeeded.

    Where the questions' other sides are shown to be better than the first, the best of these on validation; else of the
    first and those not shown to be worse the fastest to fit, if it is shown to beat the baseline, or the next of them
    that is. Without questions the best on validation.
    """
    if not dataset.contenders:
        return None
    questions, baseline = dataset.questions, dataset.baseline
    candidates = [dataset.winner]
    if questions:
        better = [each.named[1] for each in questions if each.preferred is each.named[1]]
        level = [each.named[1] for each in questions if each.preferred is None]
        candidates = [each for each in dataset.contenders if any(each is other for other in better)]
        candidates = candidates[:1] or sorted(
            [questions[0].named[0], *level], key=lambda each: each.mean("fit_seconds")
        )
    advices = [
        Advice(each, questions, baseline, baseline and difference_of(dataset, _side(dataset, each), baseline))
        for each in candidates
    ]
    return next((each for each in advices if each.beats_baseline), advices[0])


def _pairs(
    dataset: "DatasetStudy",
) -> list[tuple[tuple["Configuration", "Configuration"], tuple["Configuration", "Configuration"]]]:
    """The named ones and the sides of each question."""
    if len({each.pipeline for each in dataset.contenders}) < 2:
        return []
    best = [(found, _side(dataset, found)) for families in SIDES if (found := dataset.best(*families))]
    if len(best) == 1 and len(dataset.contenders) > 1:
        first, second = dataset.contenders[:2]
        return [((first, second), (first, second))]
    return [((best[0][0], each[0]), (best[0][1], each[1])) for each in best[1:]]


def _side(dataset: "DatasetStudy", named: "Configuration") -> "Configuration":
    return dataset.choice(named.family) if dataset.best(named.family) is named else named


def _is_about_time(dataset: "DatasetStudy") -> bool:
    """Whether a time or a number of epochs was asked for: then the question is what is reached within."""
    spec = dataset.study.run.spec
    set_ = {"epochs", "min_steps", "time_budget"} & dict(spec.settings).keys()
    return spec.time_budget is not None or spec.epochs is not None or bool(set_)
