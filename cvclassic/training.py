"""`train`: one pipeline on all of a user's pictures, and how good it is on those that it has not seen."""

import shutil
import tempfile
from contextlib import nullcontext
from pathlib import Path

from cvclassic.comparison import shown, shown_reading, tell, unseen
from cvclassic.errors import InputError
from cvclassic.model import Model, load_model
from cvclassic.runs.question import Contenders, Data, ask
from cvclassic.study.lines import failure_lines
from cvclassic.take_home import model_path


def train(data: Data, pipeline: Contenders, *, progress: bool = False, **fields: object) -> Model:
    """Find out how good a pipeline is, as `cvclassic.compare` does, and fit it on all pictures.

    Parameters
    ----------
    data : name, path, Dataset or arrays
        As of `cvclassic.compare`; one set.
    pipeline : name, path, or mapping of a name to an estimator
    progress : bool
        Show what is running.
    **fields
        The other fields of `cvclassic.RunSpec`, such as `seed=1`, `folds=1`.

    Returns
    -------
    Model
        Its `figures` quote the accuracy on pictures that the pipeline had not learned from.

    Raises
    ------
    InputError
        For what can't be used, or where the training fails.
    """
    with tempfile.TemporaryDirectory(prefix="cvclassic-") as folder:
        path = Path(folder, "model.cvc")
        train_model(data, pipeline, path, progress=progress, **fields)
        return load_model(path)


def train_model(
    data: Data, pipeline: Contenders, path: Path, *, progress: bool = False, **fields: object
) -> tuple[str, int]:
    """Do what `train` does, and write the model to a file, whole or not at all.

    Returns
    -------
    answer : str
        How good it is.
    n : int
        Pictures that it was fitted on, those included that its training validated on.
    """
    if path.is_dir() or not path.parent.is_dir():
        raise InputError(f"{path} {'is a folder' if path.is_dir() else 'lies in no folder'}; name a file to write.")
    question = ask(data, [pipeline], **fields)
    watch, reads = (shown, shown_reading) if progress else (unseen, nullcontext)
    with tempfile.TemporaryDirectory(prefix="cvclassic-") as temporary:
        folder = Path(temporary, "run")
        study, faces = tell(question, folder, watch=watch, reads=reads, faces=False, anyway=True)
        if len(study.datasets) != 1:
            raise InputError(f"train takes one data set; {len(study.datasets)} were named.")
        [dataset] = study.datasets
        if not faces.models:
            raise InputError(" ".join([*failure_lines(dataset), *faces.lost]))
        unfinished = path.with_name(f".{path.name}.part")
        try:
            shutil.copyfile(model_path(study, folder, dataset.name), unfinished)
            unfinished.replace(path)
        except OSError as error:
            unfinished.unlink(missing_ok=True)
            raise InputError(f"{path} can't be written: {error.strerror}. Choose another file.") from error
    figures = load_model(path).figures
    return figures["answer"], figures["n_train"]
