"""Trains a network on digits undisturbed, and once more with a SIGKILL at each of some moments; prints both as JSON.

    python killed_trainings.py FOLDER STACK MOMENT...

STACK is JSON: fields of the `TrainingStack` that are to be others than here. A moment is `batch:E:B`, after batch B of
epoch E; `begin:E`, before epoch E; `weights:E`, when half of the weights of epoch E are in the backup's file;
`state:E`, when they are whole and training.json doesn't say so yet; `random:E:S`, S seconds after epoch E is in the
backup, whatever happens then. Epochs and batches count from 1.

Keras is imported once, and each training is a fork with one thread, as in a run of `cvclassic compare`.
"""

import hashlib
import json
import os
import pickle
import signal
import sys
import time
import traceback
from pathlib import Path

EPOCHS = 9


def main() -> None:
    """Do as the module says."""
    folder, fields, moments = Path(sys.argv[1]), json.loads(sys.argv[2]), [each.split(":") for each in sys.argv[3:]]
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ[name] = "1"
    from cvclassic.neural import prepare_backend

    prepare_backend()
    undisturbed = ended(forked(folder / "undisturbed", fields, None))
    going_on_after = []
    for moment in moments:
        kill(forked(folder / "interrupted", fields, moment), folder / "interrupted", moment)
        going_on_after.append(epochs_done(folder / "interrupted"))
    resumed = ended(forked(folder / "interrupted", fields, None))
    print(json.dumps({"undisturbed": undisturbed, "resumed": resumed, "going_on_after": going_on_after}))


def forked(folder: Path, fields: dict, moment: list[str] | None) -> tuple[int, Path]:
    """The id of a process that trains, and where it writes what came of it."""
    result = folder.with_suffix(".json")
    process = os.fork()
    if process == 0:
        try:
            result.write_text(json.dumps(train(folder, fields, moment)))
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    return process, result


def ended(training: tuple[int, Path]) -> dict:
    """What came of a training that nothing disturbs."""
    process, result = training
    os.waitpid(process, 0)
    return json.loads(result.read_text())


def kill(training: tuple[int, Path], folder: Path, moment: list[str]) -> None:
    """Wait until the training kills itself, or kill it at a random moment."""
    process, result = training
    if moment[0] == "random":
        while epochs_done(folder) < int(moment[1]) and not result.exists():
            time.sleep(0.005)
        time.sleep(float(moment[2]))
        os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    if os.waitstatus_to_exitcode(status) != -signal.SIGKILL or result.exists():
        raise SystemExit(f"The training was not killed at {moment}.")


def epochs_done(folder: Path) -> int:
    """Epochs in the backup."""
    try:
        return len(json.loads((folder / "backup" / "training.json").read_text())["history"])
    except FileNotFoundError:
        return 0


def train(folder: Path, fields: dict, moment: list[str] | None) -> dict:
    """Train on digits with all that draws at random or keeps a state; all that came of it."""
    import functools

    import numpy as np
    from sklearn.datasets import load_digits

    from cvclassic.neural import NeuralClassifier, TrainingStack, course, mlp

    course.SHORT_EPOCH = 1  # a backup after each epoch
    data = load_digits()
    images = np.rint(data.images * (255 / 16)).astype(np.uint8)
    (X, X_val, X_test), (y, y_val, _) = (np.split(part, [330, 530]) for part in (images, data.target))
    usual = {"learning_rate": 0.02, "batch_size": 32, "plateau_patience": 1, "macro_f1": True}
    stack = TrainingStack(epochs=EPOCHS, **(usual | fields))
    kill_in_saving(moment)
    network = functools.partial(mlp, width=48, mirror=True, shift=1)
    callbacks = [functools.partial(killer, moment), drawer]
    options = {"class_weight": "balanced", "callbacks": callbacks, "seed": 5, "log_dir": folder, "verbose": False}
    model = NeuralClassifier(network, stack=stack, **options)
    model.fit(X, y, X_val, y_val)
    weights = b"".join(weight.tobytes() for weight in model.model_.get_weights())
    return {
        "weights": hashlib.sha256(weights).hexdigest(),
        "history": model.history_,
        "best_epoch": model.best_epoch_,
        "overfit_epoch": model.overfit_epoch_,
        "scores": hashlib.sha256(model.decision_function(X_test).tobytes()).hexdigest(),
        "predictions": model.predict(X_test).tolist(),
        "model_bytes": len(pickle.dumps(model)),
        "training.csv": (folder / "training.csv").read_text(),
        "left": sorted(path.name for path in folder.iterdir()),
    }


def drawer():
    """A user's callback that draws from the generators of Python and NumPy, and has a state of its own."""
    import random

    import keras
    import numpy as np

    class Drawer(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.sum = 0.0

        def on_train_batch_end(self, batch, logs=None):
            self.sum += np.random.uniform() * random.random()

        def on_epoch_end(self, epoch, logs=None):
            logs["drawn"] = self.sum

    return Drawer()


def killer(moment: list[str] | None):
    """A callback that kills this process at a moment between batches or epochs."""
    import keras

    class Killer(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch + 1
            die_at(moment, "begin", self.epoch)

        def on_train_batch_end(self, batch, logs=None):
            die_at(moment, "batch", self.epoch, batch + 1)

    return Killer()


def kill_in_saving(moment: list[str] | None) -> None:
    """Let this process be killed while it writes the backup of an epoch."""
    import keras

    save_weights, replace = keras.Model.save_weights, os.replace

    def save(model, path, *arguments, **options):
        save_weights(model, path, *arguments, **options)
        kind, epoch = Path(path).name.split(".")[0].split("-")
        if kind == "epoch" and moment == ["weights", epoch]:
            os.truncate(path, os.path.getsize(path) // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    def put(source, target):
        if Path(target).name == "training.json":
            die_at(moment, "state", len(json.loads(Path(source).read_text())["history"]))
        replace(source, target)

    keras.Model.save_weights, os.replace = save, put


def die_at(moment: list[str] | None, *now) -> None:
    """End as by `kill -9` if this is the moment."""
    if moment == [str(part) for part in now]:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
