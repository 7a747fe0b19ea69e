"""The story from the question to the answer: the spec, the data, the jobs, their outcomes, the study, its faces."""

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cvclassic.datasets.doctor.finding import SEVERE, WARNING
from cvclassic.errors import InputError
from cvclassic.model import Model, load_model
from cvclassic.runs.code import files_to_run
from cvclassic.runs.executor import Executor, executor_on
from cvclassic.runs.files import write_content
from cvclassic.runs.folder import RunFolder, copy_run
from cvclassic.runs.forecast import Forecast
from cvclassic.runs.interrupt import interruptible
from cvclassic.runs.job import FAMILIES, Job, Result, RunRecord
from cvclassic.runs.local import Listener
from cvclassic.runs.plan import RunData, plan
from cvclassic.runs.question import Contenders, Data, Question, Reading, ask, asked_by
from cvclassic.runs.reading import read_run
from cvclassic.runs.record import describe_run
from cvclassic.runs.spec import KEEP_NONE
from cvclassic.runs.within import gather_within
from cvclassic.study.sentences import answer
from cvclassic.study.study import Study
from cvclassic.study.tables import Table, results_table
from cvclassic.take_home import Home, Watch, forget_taken, model_path, take_home, why_none

if TYPE_CHECKING:
    from distributed import Client

# It enters what is told of data sets while their files are read.
Reads = Callable[[], AbstractContextManager[Reading | None]]


class Faces(NamedTuple):
    """Names of the files that were written, a line for each that could not be made, and what models among them are."""

    written: list[str]
    lost: list[str]
    models: dict[str, str]


def tell(
    question: Question | None,
    out: Path,
    *,
    watch: Watch,
    reads: Reads = nullcontext,
    faces: bool = True,
    anyway: bool = False,
    cluster: "str | Client | None" = None,
) -> tuple[Study, Faces]:
    """The whole story; what `compare`, `resume` and the command do.

    Parameters
    ----------
    question : Question, or None
        None is that of the run in `out`, which then goes on.
    out : Path
        The run's folder: a new one, or the one that goes on.
    watch : Watch
    reads : Reads
    faces : bool
        Write the files of the report into the folder, too.
    anyway : bool
        Fit a model that goes home of each data set, published ones too, whatever is said of it.
    cluster : str or distributed.Client, optional
        Where jobs run, the fit of what goes home too (`runs.executor`); None is this machine.
    """
    with (
        interruptible(),
        RunFolder.create(out) if question else RunFolder.open(out) as folder,
        executor_on(cluster) as executor,
    ):
        data, record = _gathered(question, folder, reads, executor)
        if question:
            folder.begin(record, list(data.datasets.values()))
        else:
            folder.check_unchanged(record, data.datasets.values())
        forecast, told = Forecast(data, executor.workers), [*record.notes, *_checked(data), *executor.notes]
        pending = folder.pending(folder.record.jobs)
        if pending:
            forget_taken(data, folder)
        _run(pending, data, folder, watch, told, forecast, executor)
        study = Study(read_run(out))
        while more := study.further_jobs():
            folder.add(more)
            _run(more, data, folder, watch, [], forecast, executor)
            study = Study(read_run(out))
        models = _keep_models(study, data, folder, watch, executor, changed=bool(pending), anyway=anyway)
        written = write_faces(study, folder.write) if faces else Faces([], [], {})
        return study, Faces([*models.written, *written.written], [*models.lost, *written.lost], models.written)


def _gathered(
    question: Question | None, folder: RunFolder, reads: Reads, executor: Executor
) -> tuple[RunData, RunRecord]:
    if not question:
        _tell_code(folder.record)
    question = question or asked_by(folder.record.spec)
    with reads() as reading:
        data, notes = gather_within(question, reading)
    if executor.own_threads:  # unless the question says how many, those of each worker
        data = replace(data, spec=data.spec.replace(threads=question.spec.threads))
    jobs, left_out = plan(data)
    return data, describe_run(data, jobs, [*notes, *left_out])


def _keep_models(
    study: Study,
    data: RunData,
    folder: RunFolder,
    watch: Watch,
    executor: Executor,
    *,
    changed: bool,
    anyway: bool,
) -> Home:
    """Of the jobs' models those that are to be kept, and those that go home, made anew where something has changed."""
    if data.spec.keep == "contenders":
        best = [dataset.best(family) for dataset in study.datasets for family in FAMILIES]
        folder.forget_models([result.job for each in best if each is not None for result in each.trainings])
    if data.spec.keep == KEEP_NONE and not anyway:
        return Home({}, [])
    return take_home(study, data, folder, watch, executor, missing=not changed, anyway=anyway)


def _tell_code(record: RunRecord) -> None:
    """Say which Python files are run, before they are: their paths come from the run's folder."""
    from cvclassic.harmless import harmless

    for line in files_to_run(record):
        print(harmless(line).encode(errors="replace").decode(), file=sys.stderr, flush=True)


def _checked(data: RunData) -> list[str]:
    """What the doctor says of the data, shortened, before anything runs."""
    lines = []
    for dataset in data.datasets.values():
        severe = [found.text for found in dataset.findings if found.severity == SEVERE]
        kinds = dict.fromkeys(found.kind.replace("_", " ") for found in dataset.findings if found.severity == WARNING)
        lines += [f"{dataset.name}: {text}" for text in severe]
        if kinds:
            lines.append(f"{dataset.name}: the report's remarks and `cvclassic check` tell of {', '.join(kinds)}")
    return lines


def _run(
    jobs: Sequence[Job],
    data: RunData,
    folder: RunFolder,
    watch: Watch,
    notes: Sequence[str],
    forecast: Forecast,
    executor: Executor,
) -> None:
    """Run the jobs, and keep what comes of each in the folder."""
    with (
        watch(jobs, notes, forecast) as listen,
        closing(executor.run(jobs, data, folder, listen=forecast.hearing(listen))) as outcomes,
    ):
        for outcome in outcomes:
            folder.keep(outcome)


def prepare(question: Question, out: Path) -> None:
    """Write the folder of a run that begins later, when `tell(None, out)` goes on with it."""
    with interruptible(), RunFolder.create(out) as folder:
        data, notes = gather_within(question)
        jobs, left_out = plan(data)
        folder.begin(describe_run(data, jobs, [*notes, *left_out]), list(data.datasets.values()))


def compare(
    data: Data | None = None,
    *,
    pipelines: Contenders | None = None,
    out: str | Path | None = None,
    progress: bool = False,
    cluster: "str | Client | None" = None,
    **fields: object,
) -> "Comparison":
    """Compare pipelines on the same splits of the same images, as `python compare.py` does.

    Parameters
    ----------
    data : name, path, Dataset, arrays, or a sequence of such; optional
        Arrays are `(X, y)`, or `(X_train, y_train, X_test, y_test)`: image batches (n, height, width[, 3]) and labels.
        None is MNIST and CIFAR-10 where they can be had, else the embedded sets.
    pipelines : name, path, mapping of name to estimator, or a sequence of such; optional
        An estimator takes images, such as `make_pipeline(HOG(), LinearSVM())`. None is all that run by default.
    out : path, optional
        The run's folder, which must not exist, or be empty; the report is written into it. None is a temporary one.
    progress : bool
        Show what is running.
    cluster : str or distributed.Client, optional
        Run on Dask: "local:4" for four worker processes on this machine, the address of a scheduler that runs, or a
        client of one; see docs/cluster.md. None is this machine, one job after another.
    **fields
        The other fields of `cvclassic.RunSpec`, such as `preset="quick"`, `seed=1`, `epochs=20`.

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        For what can't be used, before anything runs. A pipeline that fails is a failed row instead.
    """
    question = ask(data, pipelines, **fields)
    temporary = tempfile.TemporaryDirectory(prefix="cvclassic-") if out is None else None
    folder = Path(temporary.name, "run") if temporary else Path(out).expanduser()
    study, _ = tell(question, folder, **_told(progress), faces=temporary is None, cluster=cluster)
    return Comparison(study, folder, temporary, question)


def resume(folder: str | Path, *, progress: bool = False, cluster: "str | Client | None" = None) -> "Comparison":
    """Go on with the run in `folder` where it was interrupted; failed rows run again.

    It may go on elsewhere than it began: on a `cluster` as of `compare`, or on this machine.

    Raises
    ------
    InputError
        Where there is no run, another process has it, its data have changed, or it was given arrays or estimators.
    """
    folder = Path(folder).expanduser()
    study, _ = tell(None, folder, **_told(progress), cluster=cluster)
    return Comparison(study, folder)


def load_comparison(folder: str | Path) -> "Comparison":
    """What the run in `folder` says, as far as it went; InputError where there is none."""
    folder = Path(folder).expanduser()
    return Comparison(Study(read_run(folder)), folder)


class Comparison:
    """What a run found; faces are drawn when they are asked for.

    Attributes
    ----------
    study : cvclassic.study.study.Study
        Of each data set the contenders, the questions with their verdicts, and what to take.
    folder : Path
        The run's, temporary where the call named none.
    """

    def __init__(
        self,
        study: Study,
        folder: Path,
        temporary: tempfile.TemporaryDirectory | None = None,
        question: Question | None = None,
    ):
        self.study, self.folder = study, folder
        self._temporary = temporary  # the folder lasts as long as this object
        self._question = question  # where it brought what no file has

    @property
    def best(self) -> Model:
        """What is to be taken, fitted on all pictures of its data set; of a run on several sets see `best_of`.

        It predicts pictures, and saves itself. The accuracy that it quotes in its `figures` is that of the comparison,
        on pictures that the pipeline had not learned from.

        Raises
        ------
        InputError
            Where nothing is to be taken, or the fit fails.
        """
        names = [dataset.name for dataset in self.study.datasets]
        if len(names) != 1:
            raise InputError(f"This run has {len(names)} data sets; say of which: best_of({names[0]!r}).")
        return self.best_of(names[0])

    def best_of(self, dataset: str, *, progress: bool = False) -> Model:
        """`best` of one of several data sets.

        Where it is not in the run's folder yet, as for a published set, it is fitted now, in a process of its own.
        """
        if dataset not in {each.name for each in self.study.datasets}:
            raise InputError(f"There is no data set {dataset!r} in this run; see study.datasets.")
        path = model_path(self.study, self.folder, dataset)
        if not path.exists():
            if reason := why_none(self.study[dataset]):
                raise InputError(f"No model of {dataset} goes home: {reason}")
            self._fit_best(dataset, progress)
        return load_model(path)

    def _fit_best(self, dataset: str, progress: bool) -> None:
        watch, reads = (shown, shown_reading) if progress else (unseen, nullcontext)
        with interruptible(), RunFolder.open(self.folder) as folder:
            data, record = _gathered(self._question, folder, reads, Executor())
            folder.check_unchanged(record, data.datasets.values())
            _, lost = take_home(self.study, data, folder, watch, Executor(), only=dataset)
        if lost:
            raise InputError(lost[0])

    @property
    def answer(self) -> str:
        """What was found, a paragraph per data set."""
        from cvclassic.harmless import harmless  # it is printed, and names of classes may hold anything

        return "\n\n".join(harmless(" ".join(answer(dataset))) for dataset in self.study.datasets)

    @property
    def table(self) -> Table:
        """All results, a row for each job; `to_pandas()` has the names of results.csv."""
        return _ShownTable(**vars(results_table(self.study)))

    @property
    def results(self) -> list[Result]:
        """What was measured, in the order of the jobs; folds are pooled, and `study.run.outcomes` has each."""
        return [outcome.result for outcome in self.study.outcomes]

    def report(self, path: str | Path) -> Path:
        """Write the report's page, one HTML file that needs no network, and return its path."""
        from cvclassic.report import page_of_run

        path = Path(path).expanduser()
        write_file(page_of_run(self.study).encode(errors="replace"), path)
        return path

    def write_report(self) -> Faces:
        """Write the files of the report into the run's folder."""
        return write_faces(self.study, lambda name, content: write_file(content, self.folder / name))

    def save(self, folder: str | Path) -> Path:
        """Keep the run in `folder`, with the files of its report; InputError where something is."""
        folder = Path(folder).expanduser()
        copy_run(self.folder, folder)
        write_faces(self.study, lambda name, content: write_file(content, folder / name))
        return folder

    def __repr__(self) -> str:
        return self.answer

    def _repr_html_(self) -> str:
        from cvclassic.report import answer_html

        return answer_html(self.study)


class _ShownTable(Table):
    """A table that shows itself where it is printed, or stands last in a notebook's cell."""

    def __repr__(self) -> str:
        from cvclassic.report import table_text

        return table_text(self)

    def _repr_html_(self) -> str:
        from cvclassic.report import table_html

        return table_html(self)


def write_faces(study: Study, write: Callable[[str, bytes], None]) -> Faces:
    """Write the files of the report by `write(name, content)`."""
    from cvclassic.report import report_files

    files, lost = report_files(study)
    for name, content in files.items():
        write(name, content)
    return Faces(list(files), lost, {})


def write_file(content: bytes, path: Path) -> None:
    """Write a file, whole or not at all; InputError where that can't be."""
    if not path.name or path.is_dir():
        raise InputError(f"{path} is a folder; name a file.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_content(path, content)
    except OSError as error:
        raise InputError(f"{path} can't be written: {error.strerror}. Choose another file.") from error


@contextmanager
def shown(jobs: Sequence[Job], notes: Sequence[str], forecast: Forecast) -> Iterator[Listener]:
    """A `Watch` that shows notes, jobs and how long they will take on standard error."""
    from rich.console import Console
    from rich.text import Text

    from cvclassic.harmless import harmless
    from cvclassic.report import show_progress

    console = Console(stderr=True)
    for note in notes:
        console.print(Text(harmless(note)), soft_wrap=True)
    with show_progress(jobs, forecast, console) as listen:
        yield listen


@contextmanager
def shown_reading() -> Iterator[Reading]:
    """A `Reads` that shows a bar on standard error, where that is a terminal."""
    from rich.console import Console

    from cvclassic.report import show_reading

    with show_reading(Console(stderr=True)) as reading:
        yield reading


def _told(progress: bool) -> dict[str, Watch | Reads]:
    """What `tell` shows."""
    return {"watch": shown, "reads": shown_reading} if progress else {"watch": unseen}


@contextmanager
def unseen(jobs: Sequence[Job], notes: Sequence[str], forecast: Forecast) -> Iterator[Listener]:
    """A `Watch` that shows nothing."""
    yield lambda job, seconds, last_line, outcome: None
