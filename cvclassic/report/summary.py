"""What every form of the report says: header lines, and the rows of each data set's table as text."""

from collections.abc import Iterable

from cvclassic.experiment.result import Result, Run, describe_settings
from cvclassic.report.comparison import Comparison
from cvclassic.report.sweep import (
    extra_figures,
    fit_seconds,
    has_sizes,
    is_sweep,
    settings_of,
    sweep_columns,
    sweep_rows,
)

STANDING, F1_INTERVAL = "against the best", "F1 interval"
COLUMNS = (
    "pipeline",
    "family",
    "test accuracy",
    "95 % interval",
    STANDING,
    "train accuracy",
    "macro F1",
    F1_INTERVAL,
    "fit s",
    "images/s",
    "peak MB",
    "model MB",
    "features",
)


def header_lines(run: Run) -> list[str]:
    """The run in a few lines: settings, machine, versions, notes."""
    config = run.config
    versions = ", ".join(f"{name} {version}" for name, version in config["versions"].items())
    preset = config["options"].get("preset")
    lines = [
        f"Run of {config['created']}; preset {preset}; seed {config['seed']}; {_count(config['threads'], 'thread')}",
        f"Machine: {config['machine']}",
        f"Versions: {versions}",
        f"Training stack of the neural pipelines: {_stack_line(config['stack'], swept=config['sweep'])}",
    ]
    if "experiment" in config["options"]:
        lines.insert(0, f"Experiment {config['options']['experiment']}")
    if config["settings"]:
        lines.append(f"Settings: {describe_settings(config['settings'])}")
    for name, values in config["sweep"].items():
        lines.append(f"Swept: {name} = {', '.join(values)}")
    if config["repeats"] > 1:
        last = config["seed"] + config["repeats"] - 1
        lines.append(f"Each setting with seeds {config['seed']} to {last}, on the splits of seed {config['seed']}")
    if config.get("train_sizes"):
        sizes = ", ".join(f"{size:,}" for size in config["train_sizes"])
        lines.append(f"Training sizes: {sizes} images, validation included; nested, with the same test images")
    if config.get("time_budget"):
        lines.append(
            f"Time budget: {config['time_budget']:g} s for each fit; networks stop there, and a fit that takes 5 % and "
            "1 s more is over budget"
        )
    return lines + [f"Note: {note}" for note in config["notes"]]


def dataset_lines(run: Run, dataset: dict, comparison: Comparison) -> list[str]:
    """A data set in a few lines: provenance, sizes, and what a reader of its table must know."""
    return [*description_lines(dataset), *remark_lines(run, dataset, comparison)]


def description_lines(dataset: dict) -> list[str]:
    """What the data set is, and how it is split."""
    sizes = dataset["sizes"]
    shape = " x ".join(str(side) for side in dataset["image_shape"][:2])
    kind = "RGB" if len(dataset["image_shape"]) == 3 else "gray"
    return [
        f"{len(dataset['class_names'])} classes, {shape} {kind}; {dataset['provenance']}",
        f"Split: {sizes['train']:,} train, {sizes['validation']:,} validation, {sizes['test']:,} test images",
    ]


def remark_lines(run: Run, dataset: dict, comparison: Comparison) -> list[str]:
    """What else a reader must know: recipes, tuning, warnings."""
    lines = []
    results = results_of(run, dataset)
    scored = [r.n_train_scored for r in results if r.n_train_scored]
    if scored and max(scored) < dataset["sizes"]["train"]:
        lines.append(f"Train accuracy is taken on a seeded sample of {max(scored):,} training images")
    corrupted = [r.n_corrupted for r in results if r.n_corrupted]
    if corrupted:
        lines.append(
            f"Mean corruption error: over 8 corruptions of 5 strengths each of {max(corrupted):,} test images"
            + (", a seeded sample" if max(corrupted) < dataset["sizes"]["test"] else "")
        )
    lines += _recipe_lines(run, dataset)
    lines += [_tuning_line(run, result) for result in results if result.tuning]
    lines += [
        f"{job_name(run, result)}: over budget ({result.fit_seconds:.0f} s of {run.config['time_budget']:g} s)"
        for result in results
        if result.over_budget
    ]
    lines += [f"Warning: {warning}" for warning in [*dataset["warnings"], *comparison.unreadable]]
    warned = [f"Warning from {result.pipeline}: {warning}" for result in results for warning in result.warnings]
    return lines + list(dict.fromkeys(warned))


def failure_lines(run: Run, dataset: dict) -> list[str]:
    """A line for each failed job, with its reason."""
    return [f"{job_name(run, result)}: {result.status}" for result in results_of(run, dataset) if not result.ok]


def results_of(run: Run, dataset: dict) -> list[Result]:
    """The results on a data set, best test accuracy first, the faster of equals first, failed ones last."""
    mine = [r for r in run.results if r.dataset == dataset["name"]]
    return sorted(mine, key=lambda r: (not r.ok, -(r.test_accuracy or 0.0), r.fit_seconds or 0.0))


def table(run: Run, dataset: dict, comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Headings, and a row of texts per result, or per setting where there was a sweep."""
    if is_sweep(run):
        groups = [setting.results for setting in settings_of(run, dataset)]
        rows = zip(sweep_rows(run, dataset), groups, strict=True)
        return [*sweep_columns(run), STANDING], [[*row, comparison.standing(results)] for row, results in rows]
    extra = extra_figures(run)
    rows = [_cells(run, result, comparison) for result in results_of(run, dataset)]
    for row, result in zip(rows, results_of(run, dataset), strict=True):
        figures = [(getattr(result, name), form) for _, name, form in extra]
        row += ["" if figure is None else form(figure) for figure, form in figures]
    return [*COLUMNS, *(heading for heading, _, _ in extra)], rows


def job_name(run: Run, result: Result) -> str:
    """A job in words: its pipeline, and what else tells it apart from the others on its data set."""
    n_train = f"{result.n_train:,} training images" if has_sizes(run) else ""
    seed = f"seed {result.seed}" if run.config["repeats"] > 1 else ""
    return ", ".join(filter(None, [result.pipeline, describe_settings(result.settings), n_train, seed]))


def _cells(run: Run, result: Result, comparison: Comparison) -> list[str]:
    """One row for `COLUMNS`; a failed one has its status in place of figures."""
    name = result.pipeline + (" *" if run.config["pipelines"][result.pipeline]["stack"] else "")
    if not result.ok:
        return [name, result.family, result.status, *[""] * (len(COLUMNS) - 3)]
    contender = comparison.contender_of([result])
    f1_interval = comparison.f1_intervals.get(contender.name) if contender else None
    return [
        name,
        result.family,
        percent(result.test_accuracy),
        f"{100 * result.ci_low:.2f} – {100 * result.ci_high:.2f}",
        comparison.standing([result]),
        percent(result.train_accuracy),
        f"{result.macro_f1:.4f}",
        "{:.4f} – {:.4f}".format(*f1_interval) if f1_interval else "",
        fit_seconds(result.fit_seconds, [result]),
        f"{result.predict_images_per_second:,.0f}",
        f"{result.peak_memory_mb:,.0f}",
        f"{result.model_bytes / 1e6:.2f}",
        f"{result.n_features:,}",
    ]


def percent(fraction: float) -> str:
    """0.9876 as "98.76 %"."""
    return f"{100 * fraction:.2f} %"


def _tuning_line(run: Run, result: Result) -> str:
    tuning = result.tuning
    chosen = ", ".join(f"{name} {value:.4g}" for name, value in tuning["chosen"].items())
    return (
        f"Tuned: {job_name(run, result)} with {chosen}, {percent(tuning['validation_accuracy'])} of the validation "
        f"images; {_count(len(tuning['tried']), 'fit')} in {tuning['seconds']:.0f} s, beside the time of the final fit"
    )


def _recipe_lines(run: Run, dataset: dict) -> list[str]:
    """What a pipeline's own stack is, and its published accuracy beside the one that was reached."""
    lines = []
    for name, pipeline in run.config["pipelines"].items():
        whole = [r for r in results_of(run, dataset) if r.n_train == dataset["sizes"]["train"]]
        reached = [r.test_accuracy for r in whole if r.ok and r.pipeline == name]
        if not reached:
            continue
        if pipeline["stack"]:
            lines.append(f"* {name} brings its own training stack: {_stack_line(pipeline['stack'])}")
        if pipeline["published"]:
            here = percent(sum(reached) / len(reached))
            lines.append(f"Published for {name}: {pipeline['published']}; here {here} on {dataset['name']}")
    return lines


def _stack_line(stack: dict, swept: Iterable[str] = ()) -> str:
    """What is set, in words; "swept" for what each job has its own value of."""
    shown = {name: value for name, value in stack.items() if value is not None} | {
        n: "swept" for n in swept if n in stack
    }
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in shown.items())


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" + ("" if n == 1 else "s")
