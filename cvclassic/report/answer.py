"""The answer first: two or three sentences per data set on what is best, how sure that is and what it costs."""

from collections.abc import Sequence
from dataclasses import replace

from cvclassic.experiment.result import Result, Run
from cvclassic.report.comparison import Comparison
from cvclassic.report.sweep import Setting, has_sizes, what_was_seen

MOST_NAMES = 4  # of ties; more of them are counted


def answer(run: Run, dataset: dict, comparison: Comparison) -> list[str]:
    """Sentences that describe this test split and claim no more than the figures carry.

    Best classical against best neural pipeline (where there is but one family, the best against the next), what has
    the highest accuracy of all, and which of those that tie with it fits fastest. A difference that is not significant
    is called a tie. Settings swept over one pipeline are judged by the validation split.
    """
    contenders = comparison.contenders
    if not contenders:
        sentences = [f"On {dataset['name']} there is no result to compare yet."]
    elif len(contenders) == 1:
        sentences = [f"{_alone(dataset, contenders[0])} There is nothing to compare it with."]
    elif len({setting.pipeline for setting in contenders}) == 1:
        sentences = what_was_seen(replace(run, datasets=[dataset]))
    else:
        sentences = [*_two(dataset, comparison), *_best_of_all(comparison)]
        if any(setting.varied for setting in contenders):
            sentences.append("Each stands here with the settings that were best on the validation split.")
    if has_sizes(run) and contenders:
        sentences.append(f"Compared are those with {contenders[0].n_train:,} training images.")
    return sentences + _missing(run, dataset)


def _alone(dataset: dict, setting: Setting) -> str:
    return (
        f"On {dataset['name']}, {setting.name} classifies {_accuracy(setting)} of the {_test_images(dataset)} rightly, "
        f"after a fit of {_fit(setting)}."
    )


def _two(dataset: dict, comparison: Comparison) -> list[str]:
    """The two that the question is about, and whether they differ."""
    first, second = _first(comparison, "classical"), _first(comparison, "neural")
    if first and second:
        roles = ("the best classical pipeline", "the best neural one")
    else:
        first, second = comparison.contenders[:2]
        roles = ("the best pipeline", "the next")
    families = {_family(setting) for setting in comparison.contenders}
    only = f" All that ran here are {families.pop()}." if len(families) == 1 else ""
    return [
        f"On {dataset['name']}, {first.name}, {roles[0]}, classifies {_accuracy(first)} of the "
        f"{_test_images(dataset)} rightly, after a fit of {_fit(first)}; {second.name}, {roles[1]}, needs "
        f"{_fit(second)} and reaches {_accuracy(second, short=True)}.{only}",
        _difference(first, second, comparison),
    ]


def _difference(first: Setting, second: Setting, comparison: Comparison) -> str:
    apart = abs(first.mean("test_accuracy") - second.mean("test_accuracy"))
    equal = apart < 1e-12  # means over seeds may differ by a rounding
    size = "Both are right equally often" if equal else f"The difference of {100 * apart:.2f} points"
    verdict = comparison.verdict(first, second)
    if verdict is None:
        reason = "nothing tells whether that is more than chance, for predictions or seeds to compare are missing"
        return f"{size}: {reason}." if equal else f"{size} was not tested: {reason}."
    test = comparison.told(first, second)
    if equal:
        return f"{size}, a tie ({test})."
    return f"{size} is not significant, a tie ({test})." if verdict == "tie" else f"{size} is significant ({test})."


def _best_of_all(comparison: Comparison) -> list[str]:
    """Which has the highest accuracy, where that was not told yet, and the fastest of those that tie with it."""
    best, *others = comparison.contenders
    told = [_first(comparison, "classical"), _first(comparison, "neural")]
    sentences = []
    if all(told) and best not in told:
        sentences.append(
            f"The highest accuracy on this test split is that of {best.name} ({_family(best)}): {_accuracy(best)}, "
            f"after a fit of {_fit(best)}."
        )
    verdicts = [comparison.verdict(best, other) for other in others]
    if len(others) == 1 or None in verdicts:
        return sentences
    ties = [other for other, verdict in zip(others, verdicts, strict=True) if verdict == "tie"]
    worse = len(others) - len(ties)
    if not ties:
        return [*sentences, f"{best.name} is significantly better than each of the other {worse}."]
    rest = f"; the other {'one is' if worse == 1 else f'{worse} are'} significantly worse" if worse else ""
    names = _listed([tie.name for tie in ties], all_of_them=not worse)
    fastest = min([best, *ties], key=lambda setting: setting.mean("fit_seconds"))
    return [
        *sentences,
        f"{names} {'ties' if len(ties) == 1 else 'tie'} with {best.name}{rest}. "
        f"Of those that tie, the fastest to fit is {fastest.name}: {_accuracy(fastest, short=True)} after "
        f"{_fit(fastest)}.",
    ]


def _missing(run: Run, dataset: dict) -> list[str]:
    """What the comparison lacks: failed jobs, and those without a result."""
    results = [result for result in run.results if result.dataset == dataset["name"]]
    planned = [job for job in run.config["jobs"] if job.get("dataset") == dataset["name"]]
    failed = list(dict.fromkeys(result.pipeline for result in results if not result.ok))
    sentences = [f"Failed: {', '.join(failed)}; the reasons stand below."] if failed else []
    if len(results) < len(planned):
        sentences.append(f"{len(planned) - len(results)} of {len(planned)} jobs have no result yet.")
    return sentences


def _first(comparison: Comparison, family: str) -> Setting | None:
    return next((setting for setting in comparison.contenders if _family(setting) == family), None)


def _family(setting: Setting) -> str:
    return setting.results[0].family


def _accuracy(setting: Setting, short: bool = False) -> str:
    """Mean and spread over seeds, or for a single one its interval."""
    mean, spread = setting.mean("test_accuracy"), setting.spread("test_accuracy")
    if spread is not None:
        over = "" if short else f" (mean over {len(setting.succeeded)} seeds)"
        return f"{100 * mean:.2f} ± {100 * spread:.2f} %{over}"
    [result] = setting.succeeded
    return f"{100 * mean:.2f} %{_interval(result, short)}"


def _interval(result: Result, short: bool) -> str:
    if result.ci_low is None:
        return ""
    return f" ({'' if short else '95 % interval '}{100 * result.ci_low:.2f} – {100 * result.ci_high:.2f})"


def _fit(setting: Setting) -> str:
    seconds = setting.mean("fit_seconds")
    if seconds < 0.05:
        return "less than 0.1 s"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:,.0f} s"


def _test_images(dataset: dict) -> str:
    return f"{dataset['sizes']['test']:,} test images"


def _listed(names: Sequence[str], all_of_them: bool) -> str:
    if len(names) > MOST_NAMES:
        return f"{'All ' if all_of_them else ''}{len(names)} others"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
