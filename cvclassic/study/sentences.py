"""What a run says in words: of each data set what to do, why, and what would help; of a sweep what was seen."""

from collections.abc import Callable, Iterable, Sequence

from cvclassic.runs.job import BASELINE
from cvclassic.study.advice import Advice, Question
from cvclassic.study.contrasts import gap_on_validation
from cvclassic.study.intervals import wilson_interval
from cvclassic.study.sizes import NO_VALIDATION, seen_over_sizes
from cvclassic.study.study import Configuration, DatasetStudy
from cvclassic.study.tables import METRIC_NAMES, accuracy_text, figure_of, interval_text
from cvclassic.study.verdicts import Kind

FEW_TRAININGS = 4  # with fewer of large spread intervals cover less than they say (docs/statistics.md)
MOST_NAMES = 4  # in a list; of more their number is told


def answer(dataset: DatasetStudy) -> list[str]:
    """Sentences on a data set that claim no more than the figures carry.

    First what to take, then the questions that were asked before the test images were looked at with what these say,
    then what would help, then how the others stand. Of a single pipeline with several settings, what a sweep says.
    """
    contenders, advice = dataset.contenders, dataset.advice
    sentences = what_was_seen([dataset]) if _is_one_pipeline(dataset) else what_to_do(dataset)
    if advice is not None and not _is_one_pipeline(dataset):
        sentences += [*_why(dataset, advice), *_what_would_help(dataset, advice), *_others(dataset, advice)]
        if any(each.varied for each in contenders):
            sentences.append("Each stands here with the settings that were best on the validation images.")
    if dataset.study.has_sizes and contenders:
        sentences.append(f"Compared are those with {contenders[0].n_train:,} training images.")
    return sentences + _missing(dataset)


def what_to_do(dataset: DatasetStudy) -> list[str]:
    """The first sentences of the answer: what to take."""
    if dataset.advice is None:
        return [f"On {dataset.name} there is no result to compare yet."]
    return what_was_seen([dataset])[:1] if _is_one_pipeline(dataset) else _what_to_do(dataset, dataset.advice)


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


def _is_one_pipeline(dataset: DatasetStudy) -> bool:
    """Whether settings of a single pipeline are compared."""
    return len(dataset.contenders) > 1 and len({each.pipeline for each in dataset.contenders}) == 1


def _what_to_do(dataset: DatasetStudy, advice: Advice) -> list[str]:
    taken = advice.taken
    right = f"{_right(dataset, advice.figure)}; {_costs(taken)}"
    if advice.figure is not taken:
        anew = f"the best {taken.family} pipeline, chosen anew in each fold,"
        right = f"{anew} is {_right(dataset, advice.figure)}; {taken.name} {_costs(taken).removeprefix('it ')}"
    if not advice.beats_baseline:
        baseline = advice.baseline
        always = _right(dataset, baseline)
        return [
            f"On {dataset.name} nothing is shown to beat {_baseline_words(dataset, baseline)}, which is {always}.",
            f"The best here is {taken.name}: {right}.",
        ]
    undecided = advice.open
    if not undecided:
        equal = any(each.kind is Kind.EQUIVALENT for each in advice.questions if each.about(taken))
        return [f"On {dataset.name} use {taken.name}{', the fastest to fit of equivalents' * equal}: {right}."]
    others = [next(each for each in question.named if each is not taken) for question in undecided]
    sentences = [
        f"On {dataset.name} it can't be told yet whether {_joined([each.name for each in others], 'or')} "
        f"{'is' if len(others) == 1 else 'are'} better than {taken.name}.",
        f"Take {taken.name} meanwhile, which is the fastest to fit of them: {right}.",
    ]
    told = [each for each in zip(undecided, others, strict=True) if each[0].verdict and not each[0].voided]
    losses = [f"{_points(_most_lost(question, taken))} against {other.name}" for question, other in told]
    return [*sentences, f"It may lose up to {_joined(losses, 'and')}."] if losses else sentences


def _why(dataset: DatasetStudy, advice: Advice) -> list[str]:
    """The questions, and what the test images say to each."""
    if len(dataset.contenders) == 1:
        return ["There is nothing to compare it with."]
    sentences, told = [_one_family(dataset)] if _one_family(dataset) else [], []
    for question in advice.questions:
        clauses = [_role(dataset, question, place, told) for place in (0, 1)]
        sentences.append(f"{_capital('; '.join(filter(None, clauses)))}.")
        sentences += _verdict(question)
    return [*sentences, _scope(dataset, advice)] if advice.questions else sentences


def _role(dataset: DatasetStudy, question: Question, place: int, told: list[Configuration]) -> str:
    """Who stands on this side of a question and what it reaches; empty where that was told already."""
    named, side = question.named[place], question.sides[place]
    if any(each is named for each in told):
        return ""
    told.append(named)
    family = [each for each in dataset.contenders if each.family == named.family]
    if len({each.family for each in question.named}) == 1:
        role = f"the {'best' if place == 0 else 'next'} pipeline {_chosen(named, family)}"
    else:
        role = f"the best {named.family} pipeline {_chosen(named, family)}"
        role = role if len(family) > 1 else f"the only {named.family} pipeline"
    if side is named:
        return f"{named.name}, {role}, reaches {_score(named)}"
    chosen = f"the best {named.family} pipeline, chosen in each fold on its validation images, reaches {_score(side)}"
    return f"{chosen}; by the mean over the folds it is {named.name} ({_score(named)})"


def _verdict(question: Question) -> list[str]:
    first, second = (_side_name(*pair) for pair in zip(question.named, question.sides, strict=True))
    verdict = question.verdict
    if verdict is None:
        return [f"{_capital(first)} and {second} were not compared, for predictions of the same images are missing."]
    estimate, (low, high) = verdict.difference.estimate, verdict.interval
    margin = _points(verdict.margin)
    if question.voided:
        unfinished = [each.name for each in question.unfinished if each is not question.ahead]
        figures = f"{first} less {second}: {_signed(estimate)} points, {_span(low, high)}"
        return [
            f"{_joined(unfinished, 'and')} {'was' if len(unfinished) == 1 else 'were'} still learning when training "
            f"ended, so that nothing is said against {'it' if len(unfinished) == 1 else 'them'} ({figures})."
        ]
    ahead, behind = (first, second) if verdict.ahead != "second" else (second, first)
    if verdict.ahead == "second":
        estimate, low, high = -estimate, -high, -low
    figures = f"{_points(estimate)} ({_span(low, high)})"
    by_margin, better = f"more than the margin of {margin}", f"{_capital(ahead)} is better than {behind} by {figures}"
    if verdict.kind is Kind.BETTER_BY_MARGIN:
        return [f"{better}, {by_margin}."]
    if verdict.kind is Kind.BETTER:
        return [f"{better}; whether by {by_margin} is open."]
    both = f"{_capital(first)} and {second} are"
    if verdict.kind is Kind.EQUIVALENT:
        inside = _span(*verdict.equivalence_interval)
        ends = f", and {ahead} is ahead by less than that" if verdict.ahead else ""
        return [f"{both} equivalent: the difference lies within the margin of {margin} ({inside} points){ends}."]
    span = f"{_signed(estimate)} points, and may be anything from {_span(low, high)}"
    return [f"{both} not told apart: {first} less {second} is {span}."]


def _scope(dataset: DatasetStudy, advice: Advice) -> str:
    """What the claims are about."""
    sides = [side for question in advice.questions for side in question.sides]
    within = ""
    spec = dataset.study.run.spec
    if spec.time_budget:
        within = f", trained within {spec.time_budget:g} s"
    elif spec.epochs:
        within = f", trained for {spec.epochs} epochs"
    if dataset.record.folds:
        n_train = sum(fold.train for fold in dataset.record.folds) // len(dataset.record.folds)
        return f"This is about models that learn from about {n_train:,} of these images{within}."
    several = [side for side in sides if side.n_trainings > 1]
    if several:
        names = _joined(list(dict.fromkeys(f"{each.n_trainings} trainings of {each.name}" for each in several)), "and")
        few = max(each.n_trainings for each in several) < FEW_TRAININGS
        rough = ", which hardly tell how much trainings differ" * few
        return f"This is about what such trainings reach, as far as {names} tell{rough}{within}."
    return f"This is about these trained models{within}: other trainings may do otherwise."


def _what_would_help(dataset: DatasetStudy, advice: Advice) -> list[str]:
    sentences = []
    unfinished = list(dict.fromkeys(each.name for question in advice.questions for each in question.unfinished))
    if unfinished:
        sentences.append(f"Train {_joined(unfinished, 'and')} longer: --preset full, or --set min_steps=N.")
    for question in advice.open:
        settling = question.verdict and question.verdict.settling
        if settling:
            needs = [f"{settling.images:,} test images"] if settling.images else []
            needs += [f"{settling.seeds} seeds (--repeats {settling.seeds})"] if settling.seeds else []
            first, second = (each.name for each in question.named)
            told = f"tell {first} and {second} apart"
            told = f"show that {first} and {second} are equivalent" if settling.kind is Kind.EQUIVALENT else told
            sentences.append(f"About {' and '.join(needs)} in all would {told}, if the difference is what it seems.")
    return [*sentences, *_weakest_class(dataset, advice)]


def _weakest_class(dataset: DatasetStudy, advice: Advice) -> list[str]:
    """The class that is told worst, where it is clearly worse than all together."""
    per_class = [each for each in advice.figure.results[0].per_class if each.n_test]
    if len(per_class) < 2:
        return []
    worst = min(per_class, key=lambda each: (each.recall, each.n_test))
    recall = sum(each.recall * each.n_test for each in per_class) / sum(each.n_test for each in per_class)
    right = round(worst.recall * worst.n_test)
    if wilson_interval(right, worst.n_test)[1] >= recall:
        return []
    return [f"Hardest is {worst.name}: {right:,} of {worst.n_test:,} are told; more pictures of it may help most."]


def _others(dataset: DatasetStudy, advice: Advice) -> list[str]:
    """How the others stand against what is taken on the test images: nobody asked before, so that it is exploratory."""
    asked = [each for question in advice.questions for each in question.named]
    others = [each for each in dataset.contenders if each is not advice.taken and not any(each is a for a in asked)]
    standing = {verdict: [] for verdict in ("better", "undecided", "worse")}
    for other in others:
        contrast = dataset.contrast(other, advice.taken)
        if contrast:
            standing[contrast.verdict].append(other)
    if not any(standing.values()):
        return []
    better, undecided, worse = standing.values()
    name, clauses = advice.taken.name, []
    if better:
        where = "on the test images"
        if not any(_is_chosen_before(each, advice.taken) for each in better):
            where += ", and not on the validation images"
        clauses.append(f"{_listed(better)} {'does' if len(better) == 1 else 'do'} better than {name} {where}")
    if undecided:
        clauses.append(f"{_listed(undecided)} {'is' if len(undecided) == 1 else 'are'} not told apart from {name}")
    if worse:
        clauses.append(f"{_listed(worse)} {'is' if len(worse) == 1 else 'are'} worse")
    return [f"Of the others, which no question was about, {'; '.join(clauses)}."]


def _is_chosen_before(each: Configuration, other: Configuration) -> bool:
    figures = each.mean(each.validation_figure), other.mean(other.validation_figure)
    return None not in figures and figures[0] > figures[1]


def _chosen(best: Configuration, among: Sequence[Configuration]) -> str:
    """How `best` was chosen."""
    figure = best.mean(best.validation_figure)
    if figure is None:
        return f"by fit time, for {NO_VALIDATION}"
    figures = [each.mean(each.validation_figure) for each in among if each is not best]
    equals = any(other is not None and abs(other - figure) < 1e-12 for other in figures)
    folds = " of all folds" if best.folds else ""
    return f"on the validation images{folds}" + ", the fastest of equals" * equals


def _side_name(named: Configuration, side: Configuration) -> str:
    return named.name if side is named else f"the best {named.family} pipeline"


def _baseline_words(dataset: DatasetStudy, baseline: Configuration) -> str:
    said = [outcome.predictions for outcome in baseline.succeeded if outcome.predictions is not None]
    if baseline.pipeline != "most_frequent" or not said:
        return baseline.name
    return f"always answering {dataset.record.class_names[int(said[0].y_pred[0])]!r}"


def _one_family(dataset: DatasetStudy) -> str:
    families = {each.family for each in dataset.largest}
    if len(families) > 1:
        return ""
    others = {result.family for result in dataset.failures} - families - {BASELINE}
    return f"All that {'succeeded' if others else 'ran'} here are {families.pop()}."


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
        f"{_fit(configuration)} a fit"
    )


def _right(dataset: DatasetStudy, configuration: Configuration) -> str:
    """ "right on 94 of 100 test images (91 – 96)", with as many digits as the images carry."""
    score, (low, high) = configuration.mean(configuration.test_figure), configuration.interval
    digits = 0 if high - low >= 0.03 else 1 if high - low >= 0.003 else 2
    figure, bounds = f"{100 * score:.{digits}f}", f"{100 * low:.{digits}f} – {100 * high:.{digits}f}"
    if configuration.metric == "macro_f1":
        return f"at a macro F1 of {score:.{digits + 2}f} ({low:.{digits + 2}f} – {high:.{digits + 2}f})"
    images = "pictures" if dataset.record.folds else "test images"
    if configuration.metric == "balanced_accuracy":
        return f"right on {figure} of 100 {images} of a class, in the mean over the classes ({bounds})"
    return f"right on {figure} of 100 {images} ({bounds})"


def _costs(configuration: Configuration) -> str:
    answers = configuration.mean("answer_seconds")
    learned = f"learned in {_fit(configuration)}"
    return f"it {learned}" if answers is None else f"it answers in {_milliseconds(answers)} and {learned}"


def _milliseconds(seconds: float) -> str:
    if seconds >= 1:
        return f"{seconds:.1f} s"
    if seconds < 0.00005:
        return "less than 0.1 ms"
    return f"{1000 * seconds:.0f} ms" if seconds >= 0.01 else f"{1000 * seconds:.1f} ms"


def _fit(configuration: Configuration) -> str:
    seconds = configuration.mean("fit_seconds")
    if seconds < 0.05:
        return "less than 0.1 s"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:,.0f} s"


def _score(configuration: Configuration) -> str:
    """The metric on the test images, its spread over seeds, and its interval."""
    text = accuracy_text(figure_of(configuration, configuration.test_figure))
    metric = "" if configuration.metric == "accuracy" else f" {METRIC_NAMES[configuration.metric]}"
    return f"{text}{metric} ({interval_text(configuration.interval)})"


def _most_lost(question: Question, taken: Configuration) -> float:
    """The most that the other may be better, by the interval of the difference."""
    low, high = question.verdict.interval
    return max(-low if taken is question.named[0] else high, 0.0)


def _points(fraction: float) -> str:
    """0.0774 as "7.7 points"."""
    text = f"{100 * fraction:.{1 if fraction >= 0.0095 else 2}f}".removesuffix(".0")
    return f"{text} point" if text == "1" else f"{text} points"


def _signed(fraction: float, digits: int = 2) -> str:
    return f"{100 * fraction:.{digits}f}".replace("-", "−")


def _span(low: float, high: float) -> str:
    """(-0.012, 0.034) as "−1.2 to 3.4", in points, with as many digits as the width carries."""
    digits = 1 if high - low >= 0.01 else 2
    return f"{_signed(low, digits)} to {_signed(high, digits)}"


def _joined(names: Sequence[str], word: str) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {word} {names[-1]}"


def _listed(some: Sequence[Configuration]) -> str:
    names = [each.name for each in some]
    return f"{len(names)} others" if len(names) > MOST_NAMES else _joined(names, "and")


def _capital(text: str) -> str:
    """The text with a capital where it begins with a word and not with a name of a pipeline."""
    return f"T{text[1:]}" if text.startswith(("the best ", "the only ")) else text
