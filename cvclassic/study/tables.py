"""Tables of a study: typed columns over numbers, which each face prints in its own way."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cvclassic.errors import MissingDependencyError
from cvclassic.runs.job import Outcome
from cvclassic.runs.settings import describe_settings
from cvclassic.study.advice import Question
from cvclassic.study.contrasts import Contrast, gap_on_validation
from cvclassic.study.intervals import macro_f1_interval
from cvclassic.study.single import interval_of
from cvclassic.study.study import OF_TEST, OF_VALIDATION, Configuration, DatasetStudy, Study
from cvclassic.study.verdicts import Kind

if TYPE_CHECKING:
    import pandas

Cell = str | int | float | tuple | None
FAILED, TAKEN = "failed", "taken"


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    key : str
        Its name in results.csv where it has one there.
    heading : str
    form : callable
        The text of a cell that is neither a text nor None.
    numeric : bool
        Whether it is aligned and sorted as numbers.
    minor : bool
        Whether it is left out where there is little room.
    setting : bool
        Whether it is a setting, which tells rows apart.
    """

    key: str
    heading: str
    form: Callable[..., str] = str
    numeric: bool = False
    minor: bool = False
    setting: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of cells: numbers, texts, None, or tuples such as an interval or a mean with its spread.

    `marks` has for each row the family of its pipeline, "failed", "taken" or "".
    """

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    marks: tuple[str, ...]

    def texts(self, row: tuple[Cell, ...]) -> list[str]:
        """The cells of a row as they are printed."""
        return [_text(column, cell) for column, cell in zip(self.columns, row, strict=True)]

    @staticmethod
    def sort_key(cell: Cell) -> str | int | float | None:
        """What a cell is sorted by: itself, or the first of a tuple."""
        return cell[0] if isinstance(cell, tuple) else cell

    def to_pandas(self) -> "pandas.DataFrame":
        """The cells as they are, in columns that are called by the keys; MissingDependencyError without pandas."""
        try:
            import pandas
        except ImportError as error:
            raise MissingDependencyError("A data frame needs pandas; install it with: pip install pandas") from error
        return pandas.DataFrame(list(self.rows), columns=[column.key for column in self.columns])


@dataclass(frozen=True)
class PairsTable:
    """Each contender against each other: `rows[i][j]` has the contrast of `names[i]` to `names[j]`.

    It is None on the diagonal, and where a pair could not be tested. `tests` says how the others were.
    """

    names: tuple[str, ...]
    rows: tuple[tuple[Contrast | None, ...], ...]
    tests: str


def percent(fraction: float) -> str:
    """0.9876 as "98.76 %"."""
    return f"{100 * fraction:.2f} %"


def interval_text(interval: tuple[float, float]) -> str:
    """(0.97, 0.9876) as "97.00 – 98.76"."""
    return "{:.2f} – {:.2f}".format(*(100 * bound for bound in interval))


def accuracy_text(figure: tuple[float, float | None]) -> str:
    """A mean and its spread as "98.76 ± 0.12 %"; a spread of None is that of a single figure."""
    mean, spread = figure
    return percent(mean) if spread is None else f"{100 * mean:.2f} ± {100 * spread:.2f} %"


def figure_of(configuration: Configuration, figure: str) -> tuple[float, float | None] | None:
    """Mean and spread of a figure over the seeds; None where none has it."""
    mean = configuration.mean(figure)
    return None if mean is None else (mean, configuration.spread(figure))


def results_table(study: Study) -> Table:
    """All results of a run in its order, with the columns of results.csv; the folds of a pipeline are one row."""
    return _table_of("Every result, in the order in which they ran", RESULTS, study, study.outcomes)


def folds_table(study: Study) -> Table:
    """folds.csv: a row for each fold, with the columns of results.csv, the fold and its number of test images."""
    folds = [outcome for outcome in study.run.outcomes if outcome.result.fold is not None]
    return _table_of("Every fold, in the order in which they ran", (*RESULTS, *_FOLD), study, folds)


def figures_table(dataset: DatasetStudy) -> Table:
    """What a report shows of a data set: a row per configuration, with what was varied where something was."""
    return _sweep_figures(dataset) if dataset.study.is_sweep else _figures(dataset)


def pairs_table(dataset: DatasetStudy) -> PairsTable | None:
    """All contrasts of a data set's contenders; None where there are none."""
    contrasts, contenders = dataset.contrasts, dataset.contenders
    if not contrasts:
        return None
    rows = tuple(tuple(dataset.contrast(each, other) for other in contenders) for each in contenders)
    methods = " or ".join(dict.fromkeys(contrast.difference.method for contrast in contrasts.values()))
    return PairsTable(tuple(each.name for each in contenders), rows, corrected(methods, len(contrasts) // 2))


def sweep_table(study: Study) -> Table:
    """sweep.csv: a row per result, a column per setting; a setting that a pipeline lacks is None."""
    names = list(dict.fromkeys(name for job in study.run.record.jobs for name, _ in job.settings))
    columns = (
        *_columns("dataset", "pipeline"),
        *(Column(name, name) for name in names),
        *_columns("seed", "n_train", "status", *SWEEP_FIGURES),
    )
    rows, marks = [], []
    for result in (outcome.result for outcome in study.outcomes):
        settings = dict(result.settings)
        figures = [getattr(result, figure) for figure in SWEEP_FIGURES]
        start = [result.dataset, result.pipeline, *map(settings.get, names)]
        rows.append((*start, result.seed, result.n_train, result.status, *figures))
        marks.append(result.family if result.ok else FAILED)
    return Table("Every result of the sweep", columns, tuple(rows), tuple(marks))


def fixed(figure: float, digits: int) -> str:
    """1234.56 as "1,234.6"; what is more than 0 and would be rounded to it as "< 0.1"."""
    if 0 < figure < 0.5 * 10**-digits:
        return f"< {10**-digits:.{digits}f}"
    return f"{figure:,.{digits}f}" if figure else "0"


def _fixed(digits: int, scale: float = 1.0) -> Callable[[float], str]:
    return lambda figure: fixed(figure / scale, digits)


RESULTS = (
    Column("dataset", "data set"),
    Column("pipeline", "pipeline"),
    Column("family", "family"),
    Column("status", "status"),
    Column("seed", "seed", numeric=True),
    Column("n_train", "train images", _fixed(0), numeric=True),
    Column("n_features", "features", _fixed(0), numeric=True, minor=True),
    Column("train_accuracy", "train accuracy", percent, numeric=True),
    Column("test_accuracy", "test accuracy", percent, numeric=True),
    Column("ci_low", "from", percent, numeric=True),
    Column("ci_high", "to", percent, numeric=True),
    Column("macro_f1", "macro F1", _fixed(4), numeric=True),
    Column("fit_seconds", "fit s", _fixed(1), numeric=True),
    Column("predict_images_per_second", "images/s", _fixed(0), numeric=True),
    Column("peak_memory_mb", "peak MB", _fixed(0), numeric=True),
    Column("model_bytes", "model MB", _fixed(2, scale=1e6), numeric=True),
    Column("settings", "settings"),
    Column("validation_accuracy", "validation accuracy", percent, numeric=True),
    Column("augment", "training images"),
    Column("answer_seconds", "1 image ms", _fixed(1, scale=1e-3), numeric=True),
    Column("tuning_seconds", "tuning s", _fixed(1), numeric=True),
    Column("tuning_candidates", "tried", lambda n: f"{n:,.0f}" if n else "no search", numeric=True),
    Column("balanced_accuracy", "balanced accuracy", percent, numeric=True, minor=True),
    Column("validation_balanced_accuracy", "validation balanced accuracy", percent, numeric=True, minor=True),
    Column("validation_macro_f1", "validation macro F1", percent, numeric=True, minor=True),
    Column("negative_log_likelihood", "negative log likelihood", _fixed(4), numeric=True, minor=True),
    Column("brier_score", "Brier score", _fixed(4), numeric=True, minor=True),
    Column("calibration_error", "calibration error", percent, numeric=True, minor=True),
    Column("machine", "machine", minor=True),
)
"""The columns of results.csv, of which the first 16 never change; later ones are appended."""
SWEEP_FIGURES = ("validation_accuracy", "test_accuracy", "train_accuracy", "fit_seconds")
METRIC_NAMES = {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy", "macro_f1": "macro F1"}
_FOLD = (Column("fold", "fold", numeric=True), Column("n_test", "test images", _fixed(0), numeric=True))
_BY_KEY = {column.key: column for column in RESULTS} | {
    "seeds": Column("seeds", "seeds", numeric=True),
    "ci": Column("ci", "95 % interval", interval_text, numeric=True),
    "f1_interval": Column(
        "f1_interval", "F1 interval", lambda bounds: "{:.4f} – {:.4f}".format(*bounds), numeric=True, minor=True
    ),
    "verdict": Column("verdict", "verdict"),
    # With whether it went over the time budget.
    "fit_seconds_of": Column(
        "fit_seconds", "fit s", lambda fit: fixed(fit[0], 1) + " (over budget)" * fit[1], numeric=True
    ),
}
_EXTRA = (
    Column("mean_corruption_error", "mean corruption error", percent, numeric=True),
    Column("fit_energy_joules", "fit J", _fixed(0), numeric=True),
)


def _score_columns(metric: str) -> tuple[Column, Column]:
    """The columns of the metric on the validation images and on the test images."""
    name = METRIC_NAMES[metric]
    return (
        Column(OF_VALIDATION[metric], f"validation {name}", accuracy_text, numeric=True),
        Column(OF_TEST[metric], f"test {name}", accuracy_text, numeric=True),
    )


def _columns(*keys: str) -> list[Column]:
    return [_BY_KEY[key] for key in keys]


def _text(column: Column, cell: Cell) -> str:
    return cell if isinstance(cell, str) else "" if cell is None else column.form(cell)


def accuracy_interval(study: Study, outcome: Outcome) -> tuple[float, float] | None:
    """The 95 % interval of an outcome's test accuracy, as fractions; None where it failed."""
    if outcome.result.test_accuracy is None or not outcome.result.n_test:
        return None
    groups, places = study[outcome.result.dataset].groups, outcome.predictions and outcome.predictions.places
    return interval_of([outcome], "accuracy", groups if groups is None or places is None else groups[places], None)


def _table_of(caption: str, columns: tuple[Column, ...], study: Study, outcomes: Iterable[Outcome]) -> Table:
    outcomes = list(outcomes)
    rows = tuple(_result_cells(study, outcome, columns) for outcome in outcomes)
    return Table(caption, columns, rows, tuple(each.result.family if each.result.ok else FAILED for each in outcomes))


def _result_cells(study: Study, outcome: Outcome, columns: tuple[Column, ...]) -> tuple[Cell, ...]:
    derived = {"settings": describe_settings(outcome.result.settings)}
    derived["ci_low"], derived["ci_high"] = accuracy_interval(study, outcome) or (None, None)
    return tuple(derived[c.key] if c.key in derived else getattr(outcome.result, c.key) for c in columns)


def _tuning(study: Study) -> tuple[str, ...]:
    """The columns of --tune, beside the time of the fit."""
    return ("tuning_seconds", "tuning_candidates") if study.run.spec.tune else ()


def _extra(study: Study) -> list[Column]:
    """Columns of figures that only some runs have."""
    results = [outcome.result for outcome in study.outcomes]
    return [column for column in _EXTRA if any(getattr(result, column.key) is not None for result in results)]


def _figures(dataset: DatasetStudy) -> Table:
    """A row per configuration, the best on the test images first, the faster of equals first, failed ones last."""
    extra = _extra(dataset.study)
    score = _score_columns(dataset.metric)[1]
    others = [key for key in ("test_accuracy", "macro_f1") if key != score.key]
    keys = (
        *("pipeline", "family", "score", "ci", "verdict", "train_accuracy", *others, "f1_interval"),
        *("fit_seconds_of", *_tuning(dataset.study), "predict_images_per_second", "answer_seconds"),
        *("peak_memory_mb", "model_bytes", "n_features"),
        *["seeds"] * (dataset.n_seeds > 1),
    )
    rows, marks = [], []
    for each in sorted((each for each in dataset.configurations if each.outcomes), key=_best_first):
        standing = _standing(dataset, each)
        cells = {
            "pipeline": each.pipeline + (" *" if dataset.study.pipeline(each.pipeline).stack else ""),
            "family": each.family,
            "score": figure_of(each, each.test_figure) if each.succeeded else FAILED,
            "ci": each.interval if each.succeeded else None,
            "verdict": standing,
            "f1_interval": _f1_interval(dataset, each),
            "fit_seconds_of": _fit_of(each),
            "seeds": len(each.succeeded),
        }
        figures = (cells[key] if key in cells else each.mean(key) for key in keys)
        rows.append((*figures, *(each.mean(column.key) for column in extra)))
        marks.append(FAILED if not each.succeeded else TAKEN if standing == TAKEN else each.family)
    made = {"score": score}
    columns = (*(made[key] if key in made else _BY_KEY[key] for key in keys), *extra)
    return Table(f"Best test {METRIC_NAMES[dataset.metric]} first", columns, tuple(rows), tuple(marks))


def _best_first(configuration: Configuration) -> tuple:
    figures = (configuration.mean(configuration.test_figure) or 0.0, configuration.mean("fit_seconds") or 0.0)
    return not configuration.succeeded, -round(figures[0], 12), figures[1]


def _fit_of(configuration: Configuration) -> tuple[float, bool] | None:
    """The mean time of a fit, and whether one was over the time budget."""
    seconds = configuration.mean("fit_seconds")
    return None if seconds is None else (seconds, any(result.over_budget for result in configuration.results))


def _f1_interval(dataset: DatasetStudy, configuration: Configuration) -> tuple[float, float] | None:
    """Of a single training; how several are spread is no matter of the images alone."""
    if configuration.n_trainings != 1 or (found := configuration.succeeded[0].predictions) is None:
        return None
    return macro_f1_interval(dataset.confusion(found))


def _sweep_figures(dataset: DatasetStudy) -> Table:
    """A row per configuration, in the order in which they ran."""
    study, extra, tuning = dataset.study, _extra(dataset.study), _tuning(dataset.study)
    swept = [name for name, _ in study.run.spec.sweep]
    columns = (
        Column("pipeline", "pipeline"),
        Column("family", "family", minor=True),
        *_columns("n_train") * study.has_sizes,
        *(Column(name, name, setting=True) for name in swept),
        *_score_columns(dataset.metric),
        *_columns("ci"),
        *extra,
        *_columns("fit_seconds_of", *tuning),
        Column("seeds", "seeds", numeric=True),
        Column("on_validation", "on validation"),
        *_columns("verdict"),
    )
    rows, marks = [], []
    for each in (each for each in dataset.configurations if each.outcomes):
        settings = dict(each.varied)
        start = [each.pipeline, each.family, *[each.n_train] * study.has_sizes, *map(settings.get, swept)]
        seeds = len(each.succeeded) if each.complete else f"{len(each.deciding)} of {len(each.seeds)}"
        if not each.succeeded:
            rows.append((*start, None, FAILED, None, *[None] * len(extra), None, *[None] * len(tuning), seeds, "", ""))
            marks.append(FAILED)
            continue
        accuracies = [figure_of(each, figure) for figure in (each.validation_figure, each.test_figure)]
        figures = [*accuracies, each.interval, *(each.mean(column.key) for column in extra), _fit_of(each)]
        figures += [each.mean(key) for key in tuning]
        standing = _standing(dataset, each)
        rows.append((*start, *figures, seeds, _on_validation(dataset, each), standing))
        marks.append(TAKEN if standing == TAKEN else "")
    return Table("In the order in which they ran", columns, tuple(rows), tuple(marks))


def corrected(methods: str, n_pairs: int) -> str:
    """How pairs are compared, and for how many that is corrected."""
    return (
        methods if n_pairs == 1 else f"{methods}; exploratory, p-values corrected by Holm's method for {n_pairs} pairs"
    )


def _standing(dataset: DatasetStudy, configuration: Configuration) -> str:
    """How one stands against what is taken: "taken", a verdict, "worse, p < 0.001"; or empty."""
    advice = dataset.advice
    if not advice or len(dataset.contenders) == 1 or not any(each is configuration for each in dataset.contenders):
        return ""
    if configuration is advice.taken:
        return TAKEN
    for question in advice.questions:
        if question.about(configuration) and question.about(advice.taken) and question.sides == question.named:
            return _verdict_words(question, configuration)
    contrast = dataset.contrast(configuration, advice.taken)
    return f"{contrast.verdict}, {contrast.p_text}" if contrast else ""


def _verdict_words(question: Question, configuration: Configuration) -> str:
    """The verdict of a question, from this side of it."""
    if question.voided:
        return "undecided: still learning"
    if question.kind in (Kind.UNDECIDED, Kind.EQUIVALENT):
        return question.kind.value
    verdict = "better" if question.ahead is configuration else "worse"
    return verdict + " by more than the margin" * (question.kind is Kind.BETTER_BY_MARGIN)


def _on_validation(dataset: DatasetStudy, configuration: Configuration) -> str:
    """ "best" of those with as many training images, "close" to it, or empty."""
    best = dataset.at(configuration.n_train)[0]
    if configuration is best and best.mean(best.validation_figure) is not None:
        return "best"
    gap = gap_on_validation(dataset, configuration, best)
    return "close" if gap and gap.close else ""
