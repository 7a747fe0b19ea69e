"""`--within`: preset, seeds, folds and steps of a run cut to a time for the whole of it, and what was cut."""

import re
from collections.abc import Iterator, Sequence

from cvclassic.errors import InputError
from cvclassic.runs.forecast import Forecast, duration
from cvclassic.runs.job import Job
from cvclassic.runs.plan import RunData, plan
from cvclassic.runs.question import Question, Reading, gather
from cvclassic.runs.spec import AUTO, KEEP_NONE, PRESETS, SHORT_FIT, RunSpec

FEWER_FOLDS = 3
UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def parse_duration(text: str) -> float:
    """Seconds of a text such as "90", "90s", "10m" or "1.5h"; InputError for anything else."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*([a-z]*)\s*", text.lower())
    if not found or found.group(2) not in UNITS or not float(found.group(1)):
        raise InputError(f"within (--within) is {text!r}; write a time such as 90s, 10m or 1.5h.")
    return float(found.group(1)) * UNITS[found.group(2)]


def gather_within(question: Question, reading: Reading | None = None) -> tuple[RunData, list[str]]:
    """What `gather` gives, cut until the forecast of the whole run is within the spec's time, if it has one.

    Cut are, one after another: seeds that contenders would get, the preset, folds, the least number of steps of a
    training. What was asked for by name stays. What was cut, and where that is not enough, is said in notes.
    """
    data, notes = gather(question, reading)
    if data.spec.within is None:
        return data, notes
    seconds, cut = data.spec.within, []
    for name, spec in _cuts(data, question.spec):
        if _forecast(data) <= seconds:
            break
        data, notes = gather(Question(spec, question.datasets, question.pipelines))
        cut.append(name)
    expected = _forecast(data)
    told = f"To be done within {duration(seconds) if seconds >= 10 else f'{seconds:g} s'}"
    if cut:
        notes = [*notes, f"{told}: {', '.join(cut)}"]
    if expected > seconds:
        notes = [
            *notes,
            f"{told} this is still too much: it will take about {duration(expected)}. Name fewer pipelines with "
            "--pipeline, or use fewer images with --train-size.",
        ]
    return data, notes


def _cuts(data: RunData, asked: RunSpec) -> Iterator[tuple[str, RunSpec]]:
    """What may be cut of a run, in words, with the spec in which that and all before is cut."""
    spec = asked.replace(preset=data.spec.preset)
    folded = [dataset for dataset in data.datasets.values() if dataset.folds]
    if asked.repeats is None and data.spec.repeats != 1 and len(folded) < len(data.datasets):
        spec = spec.replace(repeats=1)
        yield "one seed for all", spec
    if asked.preset is None:
        lower = list(PRESETS)[: list(PRESETS).index(spec.preset)]
        for preset in reversed(lower):
            spec = spec.replace(preset=preset)
            yield f"preset {preset}", spec
    if folded and asked.folds is None:
        spec = spec.replace(folds=FEWER_FOLDS)
        yield f"{FEWER_FOLDS} folds", spec
    steps = spec.training_stack().min_steps
    if steps and "min_steps" not in dict(asked.settings):
        spec = spec.replace(settings=[*spec.settings, ("min_steps", steps // 2)])
        yield f"at least {steps // 2} steps of each network", spec
    if folded and asked.folds is None:
        spec = spec.replace(folds=1, repeats=spec.repeats or 1)
        yield "a single split", spec


def _forecast(data: RunData) -> float:
    """Seconds of all jobs, of the seeds that contenders may get (of each family at most its longest twice), and of the
    fit of what goes home (of each of the user's own data sets at most its longest)."""
    jobs, _ = plan(data)
    forecast = Forecast(data)
    further: dict[tuple[str, str], float] = {}
    for job in jobs if data.spec.repeats == AUTO else ():
        key, seconds = (job.dataset, data.pipelines[job.pipeline].family), forecast.seconds(job)
        if seconds is not None and seconds < SHORT_FIT and job.fold is None:
            further[key] = max(further.get(key, 0.0), 2 * seconds)
    return (forecast.total(jobs) or 0.0) + sum(further.values()) + sum(_to_take_home(data, jobs, forecast))


def _to_take_home(data: RunData, jobs: Sequence[Job], forecast: Forecast) -> Iterator[float]:
    for name, dataset in data.datasets.items():
        if data.spec.keep != KEEP_NONE and not dataset.published:
            yield max((forecast.seconds(job) or 0.0 for job in jobs if job.dataset == name), default=0.0)
