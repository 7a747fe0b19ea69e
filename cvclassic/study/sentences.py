"""What a run says in words: of each data set the answer, of a sweep what was seen."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from cvclassic.runs.job import BASELINE
from cvclassic.study.contrasts import Contrast, contrast_of, gap_on_validation
from cvclassic.study.sizes import NO_VALIDATION, seen_over_sizes
from cvclassic.study.study import Configuration, DatasetStudy
from cvclassic.study.tables import accuracy_text, figure_of, interval_text

MOST_NAMES = 4  # in a list; of more their number is told


def answer(dataset: DatasetStudy) -> list[str]:
    """Sentences on a data set that claim no more than the figures carry.

    The best classical pipeline stands against the best neural one (where there is but one of the two families, the
    winner against the next), each chosen on the validation images; then come the winner of all, what is better or not
    told from it on the test images, and which of those fits fastest. Of a single pipeline with several settings, what a
    sweep says of them. With folds the two that stand against each other are choices inside each fold.
    """
    contenders = dataset.contenders
    if not contenders:
        sentences = [f"On {dataset.name} there is no result to compare yet."]
    elif len(contenders) == 1:
        sentences = [f"{_alone(dataset, contenders[0])} There is nothing to compare it with."]
    elif len({each.pipeline for each in contenders}) == 1:
        sentences = what_was_seen([dataset])
    else:
        sentences = [*_two(dataset), *_winner(dataset), *_others(dataset)]
        if any(each.varied for each in contenders):
            sentences.append("Each stands here with the settings that were best on the validation images.")
    if dataset.study.has_sizes and contenders:
        sentences.append(f"Compared are those with {contenders[0].n_train:,} training images.")
    return sentences + _missing(dataset)


def what_was_seen(datasets: Iterable[DatasetStudy]) -> list[str]:
    """Two sentences on a sweep: what is best on the validation images (never the test images), and what is worst.

    Where the number of training images was varied, these are about the largest, and two sentences on the numbers come
    first, or alone where nothing else was varied.
    """
    scored = [each for each in datasets if each.sizes]
    if not scored:
        return ["No job succeeded.", "There is nothing to compare."]
    over_sizes = seen_over_sizes(scored) if scored[0].study.has_sizes else []
    spec = scored[0].study.run.spec
    if over_sizes and not spec.sweep and len(spec.seeds) == 1:
        return over_sizes

    def sentence(clause: Callable[[DatasetStudy], str]) -> str:
        several = len(scored) > 1
        return "; ".join(f"on {each.name} {clause(each)}" if several else clause(each) for each in scored) + "."

    return [*over_sizes, f"Best on validation: {sentence(_best_clause)}", f"Worst: {sentence(_worst_clause)}"]


def _alone(dataset: DatasetStudy, only: Configuration) -> str:
    return (
        f"On {dataset.name}, {only.name} classifies {_accuracy(only)} of the {_test_images(dataset)} rightly, after a "
        f"fit of {_fit(only)}."
    )


def _two(dataset: DatasetStudy) -> list[str]:
    """The two that the question is about, and whether they differ."""
    folds, question, contenders = dataset.record.folds, _question(dataset), dataset.contenders
    if folds and question:
        return [_tested_once(dataset), *_two_in_folds(dataset)]
    first, second = question or contenders[:2]
    winner = f"the best pipeline {_chosen(first, contenders, _n_validation(dataset))}"
    roles = _roles(dataset, *question) if question else [winner, "the next"]
    start = "" if folds else f"On {dataset.name}, "
    of = "" if folds else f" of the {_test_images(dataset)}"
    sentences = [
        f"{start}{first.name}, {roles[0]}, classifies {_accuracy(first)}{of} rightly, after a fit of {_fit(first)}; "
        f"{second.name}, {roles[1]}, needs {_fit(second)} and reaches {_accuracy(second, short=True)}."
        f"{_one_family(dataset)}",
        _difference(first, second, dataset.contrast(first, second), len(dataset.contrasts) // 2),
    ]
    if not folds:
        return sentences
    choice = dataset.choice()
    inside = (
        f"Chosen inside each fold, on its validation images alone, the best classifies {_accuracy(choice)} rightly."
    )
    return [_tested_once(dataset), *sentences, *([] if choice is first else [inside])]


def _tested_once(dataset: DatasetStudy) -> str:
    return (
        f"On {dataset.name} each of the {dataset.record.sizes.test:,} images was tested once, by a model that never "
        f"saw it ({len(dataset.record.folds)} folds)."
    )


def _two_in_folds(dataset: DatasetStudy) -> list[str]:
    """The best of each family, chosen inside each fold; and which one that is by the mean over the folds."""
    families = ("classical", "neural")
    named, choices, said, several = [], [], [], False
    for family in families:
        best, choice = dataset.best(family), dataset.choice(family)
        role, fit = f"{best.name}, the only {family} pipeline,", f", after a fit of {_fit(best)}"
        if choice is not best:
            several, fit = True, ""
            choice = replace(choice, name=f"the best {family} one")
            role = f"the best {family} pipeline, chosen in each fold on its validation images,"
        named.append(best)
        choices.append(choice)
        said.append(f"{role} classifies {_accuracy(choice)} rightly{fit}")
    sentences = [
        f"{_capital('; '.join(said))}.",
        _difference(*choices, contrast_of(*choices), 1),
    ]
    if several:
        by_mean = " and ".join(f"{each.name} ({_accuracy(each, short=True)}, a fit of {_fit(each)})" for each in named)
        sentences.append(f"By the mean over the folds these are {by_mean}.")
    return sentences


def _question(dataset: DatasetStudy) -> tuple[Configuration, Configuration] | None:
    """The best classical and the best neural contender, where there are both."""
    first, second = dataset.best("classical"), dataset.best("neural")
    return (first, second) if first and second else None


def _roles(dataset: DatasetStudy, *pair: Configuration) -> list[str]:
    """What each of the two is in its family, and how it was chosen."""
    roles, told = [], False
    for each, noun in zip(pair, ("pipeline", "one"), strict=True):
        family = [other for other in dataset.contenders if other.family == each.family]
        how = "there" if told else _chosen(each, family, _n_validation(dataset))
        roles.append(f"the best {each.family} {noun} {how}" if len(family) > 1 else f"the only {each.family} {noun}")
        told |= len(family) > 1
    return roles


def _chosen(best: Configuration, among: Sequence[Configuration], number: str = "") -> str:
    """How `best` was chosen; on how many images, where that was not told yet."""
    if best.mean(best.validation_figure) is None:
        return f"by fit time, for {NO_VALIDATION}"
    accuracies = [each.mean(each.validation_figure) for each in among if each is not best]
    equals = any(abs(accuracy - best.mean(best.validation_figure)) < 1e-12 for accuracy in accuracies)
    folds = " of all folds" if best.folds else ""
    return f"on the {number}validation images{folds}" + ", the fastest of equals" * equals


def _n_validation(dataset: DatasetStudy) -> str:
    if dataset.record.folds:
        return ""
    sizes = [*dataset.record.smaller_sizes, dataset.record.sizes]
    compared = dataset.contenders[0].n_train
    return next((f"{each.validation:,} " for each in sizes if each.train == compared), "")


def _one_family(dataset: DatasetStudy) -> str:
    families = {each.family for each in dataset.largest}
    if len(families) > 1:
        return ""
    others = {result.family for result in dataset.failures} - families - {BASELINE}
    return f" All that {'succeeded' if others else 'ran'} here are {families.pop()}."


def _difference(first: Configuration, second: Configuration, contrast: Contrast | None, n_pairs: int) -> str:
    of_means = first.mean(first.test_figure) - second.mean(second.test_figure)
    apart = contrast.difference if contrast else of_means
    points = f"{100 * abs(apart):.2f} points"
    if contrast is None:
        return f"Their difference of {points} was not tested, for predictions or seeds to compare are missing."
    test = contrast.told(n_pairs)
    if contrast.significant:
        better = first if apart > 0 else second
        return f"{_capital(better.name)} is better by {points}, which is significant ({test})."
    size = f"the difference of {points} is not significant" if abs(apart) > 1e-12 else "both are right equally often"
    return f"This does not tell which is better: {size} ({test})."


def _winner(dataset: DatasetStudy) -> list[str]:
    """Which is best of all, where that was not told yet."""
    winner, question = dataset.winner, _question(dataset)
    if not question:
        return []
    figures = ""
    if winner not in question:
        figures = (
            f" ({winner.family}), with {_accuracy(winner, short=True)} of the test images after a fit of {_fit(winner)}"
        )
    return [f"The winner, best of all {_chosen(winner, dataset.contenders)}, is {winner.name}{figures}."]


def _others(dataset: DatasetStudy) -> list[str]:
    """How the others stand against the winner on the test images, and the fastest of those not shown to be worse."""
    winner, *others = dataset.contenders
    if len(others) == 1:
        return []  # told already
    standing = {verdict: [] for verdict in ("better", "undecided", "worse", None)}
    for other in others:
        contrast = dataset.contrast(other, winner)
        standing[contrast.verdict if contrast else None].append(other)
    better, undecided, worse, untested = standing.values()
    if len(worse) == len(others):
        return [f"On the test images {winner.name} is significantly better than each of the other {len(others)}."]
    clauses = []
    if better:
        verb = "is" if len(better) == 1 else "are"
        clauses.append(f"{_listed(better, others)} {verb} significantly better than {winner.name}")
    if undecided:
        verb = "is" if len(undecided) == 1 else "are"
        clauses.append(f"{_listed(undecided, others)} {verb} not told apart from {winner.name}")
    if worse:
        clauses.append(
            "one other is significantly worse" if len(worse) == 1 else f"{len(worse)} others are significantly worse"
        )
    if untested:
        clauses.append(f"{_listed(untested, others)} could not be tested, for predictions or seeds are missing")
    fastest = min([each for each in dataset.contenders if each not in worse], key=lambda c: c.mean("fit_seconds"))
    quick = f"Of those that are not shown to be worse than {winner.name}, "
    if fastest is winner:
        quick += "none is faster to fit."
    else:
        quick += f"the fastest to fit is {fastest.name}: {_accuracy(fastest, short=True)} after {_fit(fastest)}."
    return [f"{'Yet on' if better else 'On'} the test images {'; '.join(clauses)}.", quick]


def _missing(dataset: DatasetStudy) -> list[str]:
    """What the comparison lacks: failed jobs, and those without a result."""
    failed = {}
    for result in dataset.failures:
        failed.setdefault((result.pipeline, result.family), []).append(result)
    names = []
    for (pipeline, family), results in failed.items():
        planned = sum(job.pipeline == pipeline for job in dataset.jobs)
        some = "" if len(results) == planned else f", {len(results)} of {planned} jobs"
        names.append(f"{pipeline} ({family}{some})")
    sentences = [f"Failed: {', '.join(names)}."] if names else []
    if n := dataset.n_pending:
        sentences.append(f"{n} of {len(dataset.jobs)} jobs {'has' if n == 1 else 'have'} no result yet.")
    return sentences


def _best_clause(dataset: DatasetStudy) -> str:
    best, *others = dataset.largest
    if best.mean(best.validation_figure) is None:
        return NO_VALIDATION
    gaps = [(other, gap_on_validation(dataset, other, best)) for other in others]
    close = [other for other, gap in gaps if gap and gap.close]
    if not close:
        return _described(best)
    names = "all others" if len(close) == len(others) > 1 else " and ".join(each.name for each in close)
    return f"{_described(best)}, with {names} close to it"


def _worst_clause(dataset: DatasetStudy) -> str:
    best, *others = dataset.largest
    if best.mean(best.validation_figure) is None:
        return NO_VALIDATION
    gaps = [(gap, other) for other in others if (gap := gap_on_validation(dataset, other, best))]
    if not gaps:
        return f"{best.name} too, for there is nothing to compare it with"
    gap, worst = max(gaps, key=lambda pair: pair[0].behind)
    if gap.behind == 0 and len(gaps) == len(others):
        return "none, for all reach as much"
    told = "close, within" if gap.close else "more than"
    return f"{_described(worst)}, {100 * gap.behind:.2f} points behind, {told} {gap.reason}"


def _described(configuration: Configuration) -> str:
    validation, test = (
        accuracy_text(figure_of(configuration, figure))
        for figure in (configuration.validation_figure, configuration.test_figure)
    )
    return (
        f"{configuration.name} with {validation} of the validation images, {test} of the test images, "
        f"{configuration.mean('fit_seconds'):.1f} s a fit"
    )


def _accuracy(configuration: Configuration, short: bool = False) -> str:
    """Mean and spread over the seeds, and the interval of the mean."""
    text = accuracy_text(figure_of(configuration, configuration.test_figure))
    n_seeds, interval = configuration.n_trainings, interval_text(configuration.interval)
    if short:
        return f"{text} ({interval})"
    return f"{text} ({f'mean over {n_seeds} seeds, ' if n_seeds > 1 else ''}95 % interval {interval})"


def _fit(configuration: Configuration) -> str:
    seconds = configuration.mean("fit_seconds")
    if seconds < 0.05:
        return "less than 0.1 s"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:,.0f} s"


def _test_images(dataset: DatasetStudy) -> str:
    return f"{dataset.record.sizes.test:,} test images"


def _capital(text: str) -> str:
    """The text with a capital where it begins with a word and not with a name of a pipeline."""
    return f"T{text[1:]}" if text.startswith("the best ") else text


def _listed(some: Sequence[Configuration], all_of_them: Sequence[Configuration]) -> str:
    names = [each.name for each in some]
    if len(names) > MOST_NAMES:
        return f"{'the ' if len(some) == len(all_of_them) else ''}{len(names)} others"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
