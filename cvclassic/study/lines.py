"""What a reader of a run must know besides the answer: what was asked, the data, changes, warnings, failures."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np

from cvclassic.datasets.doctor.finding import NOTE
from cvclassic.datasets.doctor.mislabelled import probably_mislabelled
from cvclassic.runs.job import BASELINE, Result
from cvclassic.runs.settings import describe_settings
from cvclassic.runs.spec import RunSpec
from cvclassic.study.advice import Question
from cvclassic.study.contrasts import p_text
from cvclassic.study.study import Configuration, DatasetStudy, Study
from cvclassic.study.tables import percent

LEAST_TO_DOUBT = 0.9  # accuracy of what doubts a label: of what is often wrong, that says little
MOST_DOUBTED = 5  # files that are named
CHANGES = {"none": "as they are", "mirror": "mirrored too", "shift": "shifted too", "affine": "distorted too"}


def header_lines(study: Study) -> list[str]:
    """The run in a few lines: what was asked, machine, versions, notes, and what is damaged."""
    record, spec = study.run.record, study.run.spec
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    lines = [f"Experiment {spec.experiment}"] if spec.experiment else []
    threads = f"; {_count(spec.threads, 'thread')}" if spec.threads else ""
    lines += [
        f"Run of {record.created}; preset {spec.preset}; seed {spec.seed}{threads}",
        *_machine_lines(study),
        f"Versions: {versions}",
        f"Training stack of the neural pipelines: {_stack_line(record.stack, swept=dict(spec.sweep))}",
    ]
    if spec.class_weight:
        lines.append(f"Class weights: {spec.class_weight}; rare classes weigh as much as others in training")
    if spec.settings:
        lines.append(f"Settings: {describe_settings(spec.settings)}")
    lines += [f"Swept: {name} = {', '.join(values)}" for name, values in spec.sweep]
    if len(spec.seeds) > 1:
        lines.append(
            f"Each setting with seeds {spec.seeds[0]} to {spec.seeds[-1]}, on the splits of seed {spec.seeds[0]}"
        )
    if spec.train_sizes:
        sizes = ", ".join(size if isinstance(size, str) else f"{size:,}" for size in spec.train_sizes)
        lines.append(f"Training sizes: {sizes} images, validation included; nested, with the same test images")
    if spec.time_budget:
        lines.append(
            f"Time budget: {spec.time_budget:g} s for each fit; networks stop there, and a fit that takes 5 % and "
            "1 s more is over budget"
        )
    if spec.tune:
        lines.append(
            f"Tuning: before each fit the pipeline searches its own space for {spec.tune:g} s, on held-out images that "
            "are no test images; a fit that can't be interrupted may end later"
        )
    limits = [f"{spec.timeout:g} s"] * (spec.timeout != RunSpec.timeout)
    limits += [f"{spec.memory_limit:g} GiB"] if spec.memory_limit else []
    if limits:
        lines.append(f"Limits of each job: {' and '.join(limits)}")
    lines += [f"Note: {note}" for note in record.notes]
    return lines + [f"Warning: {problem}" for problem in study.run.problems]


def _machine_lines(study: Study) -> list[str]:
    """Where the jobs ran; more than one machine is a warning, for then times don't compare."""
    jobs = Counter(outcome.result.machine for outcome in study.run.outcomes if outcome.result.machine)
    if not jobs:
        return [f"Machine: {study.run.record.machine}"]
    if len(jobs) == 1:
        return [f"Machine: {next(iter(jobs))}"]
    each = "; ".join(f"{machine} ({_count(n, 'job')})" for machine, n in jobs.items())
    return [
        f"Machines: {each}",
        "Warning: jobs ran on different machines, or with different threads: their times, and what is said to be "
        "faster, don't compare; results.csv has the machine of each row",
    ]


def description_lines(dataset: DatasetStudy) -> list[str]:
    """What the data set is, and how it is split."""
    record = dataset.record
    shape = " x ".join(str(side) for side in record.image_shape[:2])
    kind = "RGB" if len(record.image_shape) == 3 else "gray"
    sizes = record.sizes
    split = f"Split: {sizes.train:,} train, {sizes.validation:,} validation, {sizes.test:,} test images"
    if record.folds:
        split = (
            f"{len(record.folds)} folds: each of the {sizes.test:,} images is tested once, by models fitted on "
            f"{_span([fold.train for fold in record.folds])} images, with "
            f"{_span([fold.validation for fold in record.folds])} to validate on"
        )
    return [f"{len(record.class_names)} classes, {shape} {kind}; {record.provenance}", split]


def remark_lines(dataset: DatasetStudy) -> list[str]:
    """What else a reader must know: changed images, samples, recipes, backbones, tuning, budgets, warnings."""
    study, sizes = dataset.study, dataset.record.sizes
    results = [outcome.result for outcome in dataset.trainings if outcome.result.family != BASELINE]
    lines = [*_finding_lines(dataset), *_repeats_lines(dataset), *_learning_lines(dataset)]
    lines += _augmentation_lines(dataset)
    sampled = [scored for result in results if (scored := result.n_train_scored or result.n_train) < result.n_train]
    if sampled:
        lines.append(f"Train accuracy is taken on a seeded sample of {max(sampled):,} training images")
    corrupted = next((result for result in results if result.corruptions), None)
    if corrupted:
        lines.append(
            f"Mean corruption error: over {len(corrupted.corruptions)} corruptions of 5 strengths each of "
            f"{corrupted.n_corrupted:,} test images" + ", a seeded sample" * (corrupted.n_corrupted < sizes.test)
        )
    lines += [*_recipe_lines(dataset), *_found_lines(dataset)]
    lines += _backbone_lines(dataset, results)
    lines += [line for each in dataset.configurations if (line := _tuning_line(study, each))]
    lines += [
        f"{job_words(study, result)}: over budget ({result.fit_seconds:.0f} s of {study.run.spec.time_budget:g} s)"
        for result in results
        if result.over_budget
    ]
    lines += [*_leak_lines(dataset), *_mislabelled_lines(dataset)]
    lines += [f"Warning: {warning}" for warning in dataset.record.warnings]
    warned = [f"Warning from {result.pipeline}: {warning}" for result in results for warning in result.warnings]
    return lines + list(dict.fromkeys(warned))


def question_lines(dataset: DatasetStudy) -> list[str]:
    """The questions that were declared before the test images were looked at, with the figures of their verdicts."""
    return [_question_line(question) for question in dataset.questions if question.verdict is not None]


def failure_lines(dataset: DatasetStudy) -> list[str]:
    """A line for each failed job, with its reason."""
    return [f"{job_words(dataset.study, result)}: {result.status}" for result in dataset.failures]


def job_words(study: Study, result: Result) -> str:
    """A job in words: its pipeline, and what else tells it apart from the others on its data set."""
    return ", ".join(filter(None, [result.pipeline, result.job.told(study.varied)]))


def _question_line(question: Question) -> str:
    pairs = zip(question.named, question.sides, strict=True)
    names = [each.name if side is each else f"the best {each.family} pipeline" for each, side in pairs]
    verdict, difference = question.verdict, question.verdict.difference
    interval, inside = (" to ".join(map(_points, each)) for each in (verdict.interval, verdict.equivalence_interval))
    return (
        f"Declared before the test: {names[0]} less {names[1]} is {_points(difference.estimate)} points; "
        f"{100 * verdict.confidence:g} % interval {interval}, and of {100 * verdict.equivalence_confidence:g} %, for "
        f"equivalence, {inside}; {p_text(difference.p_value)}; margin {100 * verdict.margin:g}; {difference.method}"
    )


def _points(fraction: float) -> str:
    return f"{100 * fraction:.2f}".replace("-", "−")


def _repeats_lines(dataset: DatasetStudy) -> list[str]:
    """Which pipelines ran with more seeds than all do, and what that says."""
    repeated, alike = [], []
    for each in dataset.configurations:
        if len(each.results) > len(each.deciding):
            (repeated if each.varies else alike).append(each)
    if not (repeated or alike):
        return []
    seed = dataset.study.run.spec.seed
    parts = [f"{each.name} with {len(each.succeeded)} seeds" for each in repeated]
    parts += [f"{each.name}, which gives the same with another seed" for each in alike]
    return [f"Chosen by seed {seed}, then repeated: {'; '.join(parts)}"]


def _learning_lines(dataset: DatasetStudy) -> list[str]:
    """Which networks were still learning when their training ended, and what to do."""
    parts = []
    for each in dataset.configurations:
        told = [result.converged for result in each.trainings if result.converged is not None]
        if n := told.count(False):
            parts.append(each.name if len(told) == 1 else f"{each.name} ({n} of {len(told)} trainings)")
    if not parts:
        return []
    return [
        f"Still learning when training ended: {', '.join(parts)}. More steps promise more accuracy: --preset full, "
        "--epochs or --set min_steps=N"
    ]


def _finding_lines(dataset: DatasetStudy) -> list[str]:
    """What the doctor says of the data that bears on the answer; its notes are told by `cvclassic check`."""
    return [f"Data, {each.severity}: {each.text}" for each in dataset.record.findings if each.severity != NOTE]


def _mislabelled_lines(dataset: DatasetStudy) -> list[str]:
    """Files whose label is probably wrong, by the scores of what is to be taken, if it is right often enough to say."""
    advice, names, classes = dataset.advice, dataset.record.test_names, dataset.record.class_names
    if not advice or not names or advice.figure.mean("test_accuracy") < LEAST_TO_DOUBT:
        return []
    said = advice.figure.succeeded[0].predictions
    if said is None or said.scores is None:
        return []
    scores = said.scores if said.scores.ndim == 2 else np.stack([-said.scores, said.scores], axis=1)
    found = probably_mislabelled(scores, said.y_true)
    if not found:
        return []
    some = [f"{names[m.image]} ({classes[m.label]}, looks like {classes[m.probable]})" for m in found[:MOST_DOUBTED]]
    more = f" and {len(found) - len(some):,} more" if len(found) > len(some) else ""
    return [f"Look at the labels of {', '.join(some)}{more}: {advice.figure.name} is surer of the other class there"]


def _leak_lines(dataset: DatasetStudy) -> list[str]:
    """What are copies of training images, and what the accuracies are with them, or without."""
    leak = dataset.study.leaks.get(dataset.name)
    if leak is None:
        return []
    told = []
    for each in dataset.contenders:
        accuracies = [leak.otherwise[result.job] for result in each.results]
        told.append(f"{each.name} {percent(sum(accuracies) / len(accuracies))}")
    copies, figures = f"{leak.n:,} of {leak.n_test:,} test images are copies of training images", ", ".join(told)
    if leak.left_out:
        otherwise = f"; with them the accuracies would be {figures}" if told else ""
        return [f"Warning: {copies}, and left out of all figures{otherwise}"]
    otherwise = f"; without them the accuracies are {figures}" if told else ""
    return [f"{copies}, and counted, as in what others publish{otherwise}"]


def _recipe_lines(dataset: DatasetStudy) -> list[str]:
    """What a pipeline's own stack is, and its published accuracy beside the one that was reached."""
    lines = []
    for pipeline in dataset.study.run.record.pipelines:
        whole = dataset.record.sizes.train
        own = (each for each in dataset.largest if each.pipeline == pipeline.name and each.n_train == whole)
        best = next(own, None)
        if best is None:
            continue
        if pipeline.stack:
            lines.append(f"* {pipeline.name} brings its own training stack: {_stack_line(pipeline.stack)}")
        if pipeline.published:
            here = percent(best.mean("test_accuracy"))
            lines.append(f"Published for {pipeline.name}: {pipeline.published}; here {here} on {dataset.name}")
    return lines


def _backbone_lines(dataset: DatasetStudy, results: Iterable[Result]) -> list[str]:
    """What a pipeline's frozen backbone is, and what its figures say and don't say."""
    height, width = dataset.record.image_shape[:2]
    pairs = dict.fromkeys((result.pipeline, result.backbone) for result in results if result.backbone)
    return [
        f"{pipeline} learns from what a frozen backbone makes of the same {height} x {width} pixels: {backbone}. It "
        "has seen other pictures before; and frozen, it is what fine-tuning starts from, not the best that it can do"
        for pipeline, backbone in pairs
    ]


def _augmentation_lines(dataset: DatasetStudy) -> list[str]:
    """How training images were changed, for which pipelines."""
    changed: dict[str, dict[str, None]] = {}
    for outcome in dataset.trainings:
        if outcome.result.augment and outcome.result.family != BASELINE:
            changed.setdefault(outcome.result.augment, {})[outcome.result.pipeline] = None
    if not changed:
        return []
    told = {change: " and ".join(CHANGES[each] for each in change.split("+")) for change in changed}
    if len(changed) == 1:
        clauses = [f"{told[change]}, for all pipelines" for change in changed]
    else:
        clauses = [f"{told[change]} for {', '.join(pipelines)}" for change, pipelines in changed.items()]
    asked = dataset.study.run.spec.augment
    return [f"Training images{f' (--augment {asked})' if asked else ''}: {'; '.join(clauses)}"]


def _found_lines(dataset: DatasetStudy) -> list[str]:
    """On which public images constants of pipelines were found."""
    ran = {outcome.result.pipeline for outcome in dataset.trainings}
    found: dict[str, list[str]] = {}
    for pipeline in dataset.study.run.record.pipelines:
        if pipeline.found_on and pipeline.name in ran:
            found.setdefault(pipeline.found_on, []).append(pipeline.name)
    clauses = [f"on {where} those of {', '.join(names)}" for where, names in found.items()]
    return [f"Constants found on public images: {'; '.join(clauses)}"] if found else []


def _tuning_line(study: Study, configuration: Configuration) -> str:
    """What tuning came to for a configuration: for its one training, or for all of its seeds or folds."""
    tuned = [result for result in configuration.trainings if result.tuning]
    if not tuned or configuration.family == BASELINE:
        return ""
    first, n = tuned[0].tuning, len(tuned)
    words = job_words(study, tuned[0]) if n == 1 else f"{tuned[0].pipeline}, {n} trainings"
    candidates, seconds = (sum(getattr(r, name) for r in tuned) / n for name in ("tuning_candidates", "tuning_seconds"))
    tried = f"{_count(round(candidates), 'setting')} tried in {seconds:.0f} s" + " each" * (n > 1)
    reasons = {result.tuning.reason for result in tuned}
    if None not in reasons:
        return f"Not tuned: {words}: {', '.join(sorted(reasons))}" + f" ({tried})" * bool(first.tried)
    if not any(result.tuning.chosen for result in tuned):
        return f"Tuned: {words}: it stays as it is, for no other setting was clearly better on held-out images; {tried}"
    if n > 1:
        changed = sum(bool(result.tuning.chosen) for result in tuned)
        return f"Tuned: {words}: {changed} of them with other settings than its own; {tried}"
    chosen = ", ".join(f"{name} {value}" for name, value in first.chosen.items())
    before = (
        "where it fails as it stands"
        if first.default_accuracy is None
        else f"{percent(first.default_accuracy)} as it stands"
    )
    return f"Tuned: {words}: {chosen}; with these {percent(first.accuracy)} of held-out images, {before}; {tried}"


def _stack_line(stack: Mapping[str, object], swept: Collection[str] = ()) -> str:
    """What is set, in words; "swept" for what each job has its own value of."""
    shown = {name: "swept" if name in swept else value for name, value in stack.items()}
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in shown.items() if value is not None)


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" + ("" if n == 1 else "s")


def _span(numbers: Sequence[int]) -> str:
    """[241, 243] as "241 to 243"."""
    return " to ".join(f"{each:,}" for each in dict.fromkeys((min(numbers), max(numbers))))
