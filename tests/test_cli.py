"""The command, from its options to its exit code."""

import csv
import json
import os
import pickle
import signal
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from cvclassic.cli import compare_app
from tests.waiting import until

ROOT = Path(__file__).parents[1]
linux = pytest.mark.skipif(sys.platform != "linux", reason="the files of Linux")


def compare(*arguments):
    """Run the command in this process; the workers are real processes all the same."""
    return CliRunner().invoke(compare_app, [str(argument) for argument in arguments])


def rows(folder, name="results.csv"):
    """The rows of a run but for the baseline's."""
    with open(folder / name) as file:
        return [row for row in csv.DictReader(file) if row["pipeline"] != "most_frequent"]


def compare_command(*arguments):
    return [sys.executable, str(ROOT / "compare.py"), *map(str, arguments)]


class Hostile:
    def __reduce__(self):
        return os.system, ("touch hostile_pickle_ran",)


def corrupt_mnist(folder):
    (folder / "mnist.npz").write_bytes(b"PK\x03\x04 cut short")


def hostile_cifar(folder):
    (folder / "cifar-10-batches-py").mkdir()
    for name in [f"data_batch_{k}" for k in range(1, 6)] + ["test_batch", "batches.meta"]:
        (folder / "cifar-10-batches-py" / name).write_bytes(pickle.dumps(Hostile()))


def wrong_mnist(**changes):
    def write(folder):
        arrays = {
            "x_train": np.zeros((60, 28, 28), np.uint8),
            "y_train": np.arange(60).astype(np.uint8) % 10,
            "x_test": np.zeros((10, 28, 28), np.uint8),
            "y_test": np.arange(10).astype(np.uint8),
        }
        np.savez(folder / "mnist.npz", **(arrays | changes))

    return write


def folder_without_images(folder):
    (folder / "cats").mkdir()
    (folder / "cats" / "readme.txt").write_text("no picture")


@pytest.mark.parametrize(
    ("arguments", "prepare", "message"),
    [
        (["--dataset", "cifar11"], None, "cifar1"),
        (["--dataset", "digits", "--pipeline", "hog_svn"], None, "Did you mean hog_svm"),
        (["--dataset", "{data}"], folder_without_images, "image"),
        (["--dataset", "mnist"], corrupt_mnist, "mnist.npz"),
        (["--dataset", "mnist"], wrong_mnist(x_train=np.zeros((60, 28, 28), np.complex64)), "mnist.npz"),
        (["--dataset", "mnist"], wrong_mnist(x_train=np.zeros((60, 28), np.uint8)), "mnist.npz"),
        (["--dataset", "cifar10"], hostile_cifar, "cifar-10-batches-py"),
        (["--dataset", "cifar10"], None, "cifar10"),
        (["--dataset", "digits", "--train-size", "-5"], None, r"\(--train-size\) is -5; it is a whole number"),
        (["--dataset", "digits", "--train-size", "100000"], None, "100,?000"),
        (["--dataset", "digits", "--out", "{data}/file/run"], lambda data: (data / "file").touch(), "can't be written"),
        (["--dataset", "digits", "--optimizer", "magic"], None, "optimizer='magic'"),
        (["--dataset", "digits", "--learning-rate", "-1"], None, r"learning_rate \(--learning-rate\) is -1"),
        (["--dataset", "digits", "--dataset", "digits"], None, "Two data sets are called 'digits'"),
        (["--dataset", "digits", "--pipeline", "color_histogram_svm"], None, "nothing to do"),
        (["--resume", "{data}"], None, "holds no run"),
        (["--resume", "{data}", "--seed", "3"], None, "remove --seed"),
        (["--preset", "enormous"], None, "enormous"),
        (["--dataset", "digits", "--set", "C"], None, "NAME=VALUE"),
        (["--dataset", "digits", "--pipeline", "hog_svm", "--set", "gama=1"], None, "'gama'. Near names: gamma"),
        (["--dataset", "digits", "--set", "optimizer=magic"], None, "optimizer='magic'"),
        (["--dataset", "digits", "--epochs", "3", "--set", "epochs=4"], None, "'epochs' is given more than once"),
        (["--dataset", "digits", "--set", "C=1", "--sweep", "C=1,2"], None, "'C' is given more than once"),
        (["--dataset", "digits", "--pipeline", "mlp", "--sweep", "optimizer=adam,magic"], None, "optimizer='magic'"),
        (["--dataset", "digits", "--pipeline", "hog_svm", "--sweep", "epochs=1,2"], None, "none of the chosen"),
        (["--dataset", "digits", "--repeats", "0"], None, r"repeats \(--repeats\) is 0"),
        (["--dataset", "digits", "--seed", "-1"], None, r"seed \(--seed\) is -1"),
        (["--dataset", "digits", "--timeout", "0"], None, r"timeout \(--timeout\) is 0"),
        (["--dataset", "digits", "--memory-limit", "-2"], None, r"memory_limit \(--memory-limit\) is -2"),
        (["--dataset", "digits", "--pipeline", "HOG"], None, "Did you mean hog"),
        (["--dataset", "digits", "--image-size", "4"], None, r"image_size \(--image-size\) is 4"),
        (["digits", "--dataset", "digits"], None, "Two data sets are called 'digits'"),
        (["--experiment", "dept"], None, "Did you mean depth"),
        (["--experiment", "batch_size", "--pipeline", "cnn"], None, "remove --pipeline"),
        (["--experiment", "batch_size", "--sweep", "epochs=1,2"], None, "remove --sweep"),
        (["--experiment", "batch_size", "--batch-size", "32"], None, "The experiment batch_size sweeps 'batch_size'"),
        (["--resume", "{data}", "--set", "C=3"], None, "remove --set"),
        (["--dataset", "digits", "--train-sizes", "100,many"], None, "is 'many'; write numbers"),
        (["--dataset", "digits", "--train-sizes", "100,,300"], None, "is ''; write numbers"),
        (["--dataset", "digits", "--train-sizes", "0,100"], None, "is '0'; write numbers"),
        (["--dataset", "digits", "--train-sizes", "100,100000"], None, "part has 1347 images"),
        (["--dataset", "digits", "--train-sizes", "10,all"], None, "two images of each of the 10 classes"),
        (
            ["--dataset", "digits", "--dataset", "shapes", "--train-sizes", "2000"],
            None,
            "digits .* none of these",
        ),
        (["--dataset", "digits", "--dataset", "digits", "--train-sizes", "100"], None, "Two data sets are called"),
        (["--dataset", "digits", "--train-sizes", "100", "--train-size", "50"], None, "remove train_size"),
        (["--resume", "{data}", "--train-sizes", "100"], None, "remove --train-sizes"),
        (
            ["--dataset", "digits", "--time-budget", "0"],
            None,
            r"time_budget \(--time-budget\) is 0.0; it is a number of seconds above 0",
        ),
        (["--dataset", "digits", "--time-budget", "nan"], None, r"\(--time-budget\) is nan"),
        (["--dataset", "digits", "--time-budget", "soon"], None, "--time-budget"),
        (["--dataset", "digits", "--time-budget", "5", "--set", "time_budget=6"], None, "'time_budget' is given more"),
        (["--resume", "{data}", "--corruptions"], None, "remove --corruptions"),
    ],
)
def test_wrong_input_ends_with_exit_code_2_one_message_and_nothing_written(
    tmp_path, monkeypatch, arguments, prepare, message
):
    data = tmp_path / "data"
    data.mkdir()
    if prepare:
        prepare(data)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    filled = [argument.replace("{data}", str(data)) for argument in arguments]
    offline = [] if "--resume" in filled else ["--data-dir", data, "--offline"]
    result = compare(*filled, *offline)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    assert isinstance(result.exception, SystemExit)
    assert_matches(message, result.stderr)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


def assert_matches(pattern, text):
    import re

    assert re.search(pattern, " ".join(text.split())), text


def test_a_run_writes_its_report_and_says_where(tmp_path, pipeline_file):
    out = tmp_path / "run"
    result = compare("--dataset", "digits", "--pipeline", pipeline_file("nearest_mean"), "--out", out)
    assert result.exit_code == 0, result.output
    assert "nearest_mean" in result.stdout
    assert str(out) in result.stdout
    [row] = rows(out)
    assert row["status"] == "ok"
    report = {"report.html", "report.md", "results.csv", "results.json"}
    assert {path.name for path in out.iterdir()} == {"run.json", "digits", ".lock"} | report


def test_a_failed_row_gives_exit_code_1_and_a_report_all_the_same(tmp_path, pipeline_file):
    out = tmp_path / "run"
    chosen = ["--pipeline", pipeline_file("killed"), "--pipeline", pipeline_file("nearest_mean")]
    result = compare("--dataset", "digits", *chosen, "--out", out)
    assert result.exit_code == 1
    assert [row["status"].split(":")[0] for row in rows(out)] == ["failed", "ok"]


def test_without_data_the_embedded_sets_take_the_place_of_the_standard_ones_and_it_is_said(
    tmp_path, monkeypatch, pipeline_file
):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    out = tmp_path / "run"
    chosen = ["--pipeline", pipeline_file("nearest_mean"), "--data-dir", tmp_path]
    result = compare(*chosen, "--offline", "--out", out)
    assert result.exit_code == 0, result.output
    assert [row["dataset"] for row in rows(out)] == ["digits", "shapes"]
    [note] = [each for each in json.loads((out / "run.json").read_text())["notes"] if "taken home" not in each]
    assert "digits" in note
    assert note in (out / "report.md").read_text()
    assert note in result.stderr


@pytest.mark.slow
def test_standard_sets_that_fail_to_load_are_replaced_too_unless_they_were_named(tmp_path, monkeypatch, pipeline_file):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    corrupt_mnist(tmp_path)
    options = ["--pipeline", pipeline_file("nearest_mean"), "--data-dir", tmp_path, "--offline", "--train-size", "200"]
    result = compare(*options, "--out", tmp_path / "run")
    assert result.exit_code == 0, result.output
    assert [row["dataset"] for row in rows(tmp_path / "run")] == ["digits", "shapes"]
    assert_matches("mnist.npz.* Running digits and shapes instead", result.stderr)


@pytest.mark.slow
def test_same_seed_same_classical_predictions_other_seed_other_split(tmp_path):
    def predictions(name, seed):
        out = tmp_path / name
        result = compare("--dataset", "digits", "--pipeline", "hog_color_svm", "--seed", seed, "--out", out)
        assert result.exit_code == 0, result.output
        [path] = out.glob("digits/hog_color_svm*/predictions.npz")
        return np.load(path)["y_pred"], np.load(path)["scores"], np.load(out / "digits" / "splits.npz")["test"]

    first, second, other = predictions("a", 1), predictions("b", 1), predictions("c", 2)
    assert all(np.array_equal(x, y) for x, y in zip(first, second, strict=True))
    assert not np.array_equal(first[2], other[2])


@pytest.mark.slow
def test_tune_searches_in_all_families_and_says_so(tmp_path, pipeline_file):
    out = tmp_path / "run"
    names = ["--pipeline", "hog_linear_svm,hog_linear_head", "--pipeline", pipeline_file("nearest_mean")]
    result = compare("--dataset", "digits", "--train-size", 300, "--epochs", 1, *names, "--tune", 2, "--out", out)
    assert result.exit_code == 0, result.output
    results = {each["pipeline"]: each for each in json.loads((out / "results.json").read_text())["results"]}
    mean = results["nearest_mean"]
    assert (mean["tuning_candidates"], mean["tuning"]["reason"]) == (0, "no search space declared")
    for name in ("hog_linear_svm", "hog_linear_head"):
        tried = results[name]["tuning"]["tried"]
        assert tried[0]["parameters"] == {}
        assert results[name]["tuning_candidates"] == len({str(trial["parameters"]) for trial in tried})
        [log] = out.glob(f"digits/{name}*/worker.log")
        assert log.read_text().count("tuning: ") >= len(tried)
    assert_matches("Tuning: before each fit", result.output)
    assert_matches("uned: hog_linear_svm: ", result.output)
    assert_matches("Not tuned: nearest_mean: no search space declared", result.output)
    assert [row["tuning_candidates"] for row in rows(out)].count("0") == 1


@pytest.mark.parametrize("plain", [["--tune"], ["--tune", "--offline"], ["--tune", "digits"]])
def test_a_plain_tune_is_told_what_it_takes(plain):
    result = compare("digits", *plain)
    assert result.exit_code == 2
    assert_matches("Error: --tune takes the seconds that each pipeline may search, such as --tune 120", result.stderr)


@pytest.mark.slow
def test_a_killed_run_is_resumed_without_repeating_finished_work(tmp_path, pipeline_file):
    out, sleeper = tmp_path / "run", pipeline_file("sleeps")
    chosen = ["--dataset", "digits", "--pipeline", pipeline_file("nearest_mean"), "--pipeline", sleeper]
    run = subprocess.Popen(
        compare_command(*chosen, "--out", out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path
    )
    until(lambda: list(out.glob("digits/sleeps*")))
    run.send_signal(signal.SIGKILL)
    run.wait()
    [finished] = out.glob("digits/*/result.json")
    before = finished.stat().st_mtime_ns
    (tmp_path / "go").touch()

    resumed = compare("--resume", out)
    assert resumed.exit_code == 0, resumed.output
    assert finished.stat().st_mtime_ns == before
    whole = tmp_path / "whole"
    assert compare(*chosen, "--out", whole).exit_code == 0
    figures = [
        [{name: row[name] for name in ("pipeline", "status", "test_accuracy", "macro_f1")} for row in rows(folder)]
        for folder in (out, whole)
    ]
    assert figures[0] == figures[1]
    assert [path.name for path in out.rglob(".*")] == [".lock"]


@pytest.mark.slow
def test_training_sizes_interrupted_half_way_are_resumed_without_repeating_finished_work(tmp_path, pipeline_file):
    out, sleeper = tmp_path / "run", pipeline_file("sleeps")
    chosen = ["--pipeline", pipeline_file("nearest_mean"), "--pipeline", sleeper]
    sizes = ["--train-sizes", "100,2000,all", "--time-budget", "60"]
    command = compare_command("--dataset", "digits", "--dataset", "shapes", *chosen, *sizes, "--out", out)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    # A suite that a shell runs in the background ignores SIGINT, and so would what it starts.
    run = subprocess.Popen(command, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL), **quiet)
    until(lambda: list(out.glob("digits/sleeps*")))
    run.send_signal(signal.SIGINT)
    assert run.wait(60) == 130
    finished = {path: path.stat().st_mtime_ns for path in out.glob("*/*/result.json")}
    assert len(finished) == 2
    (tmp_path / "go").touch()

    resumed = compare("--resume", out)
    assert resumed.exit_code == 0, resumed.output
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    config = json.loads((out / "run.json").read_text())
    assert (config["spec"]["train_sizes"], config["spec"]["time_budget"]) == ([100, 2000, "all"], 60.0)
    table = [(r["dataset"], r["pipeline"], int(r["n_train"]), r["status"]) for r in rows(out, "sweep.csv")]
    sizes = {}
    for name in config["fingerprints"]:
        sizes[name] = sorted(len(np.load(path)["train"]) for path in out.glob(f"{name}/splits*.npz"))
    assert [len(found) for found in sizes.values()] == [2, 3]
    names = ("nearest_mean", "sleeps")
    assert table == [(d, p, n, "ok") for d, found in sizes.items() for p in names for n in found]
    results = json.loads((out / "results.json").read_text())["results"]
    assert None not in {result["over_budget"] for result in results}
    [note] = config["notes"]
    assert_matches("digits is left out at 2,000 training images", note)
    assert_matches("Best on validation: on digits with 90 training images nearest_mean", resumed.stdout)
    assert note in (out / "report.md").read_text()


@pytest.mark.slow
def test_the_mean_corruption_error_is_a_column_and_its_images_are_told(tmp_path, pipeline_file):
    out = tmp_path / "run"
    done = compare("--dataset", "digits", "--pipeline", pipeline_file("nearest_mean"), "--corruptions", "--out", out)
    assert done.exit_code == 0, done.output
    result, _ = json.loads((out / "results.json").read_text())["results"]
    markdown = (out / "report.md").read_text()
    assert "| features | mean corruption error |" in markdown
    assert f" | {100 * result['mean_corruption_error']:.2f} % |\n" in markdown
    assert "8 corruptions of 5 strengths each of 450 test images\n" in markdown
    assert json.loads((out / "run.json").read_text())["spec"]["corruptions"] is True


@pytest.mark.slow
def test_a_sweep_killed_half_way_is_resumed_without_repeating_finished_work(tmp_path, pipeline_file):
    out, sleeper = tmp_path / "run", pipeline_file("sleeps")
    first = ["--pipeline", pipeline_file("nearest_mean"), "--pipeline", sleeper]
    swept = ["--sweep", "metric=euclidean,manhattan", "--sweep", "strategy=prior,uniform", "--repeats", "2"]
    command = compare_command("--dataset", "digits", *first, *swept, "--out", out)
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path)
    until(lambda: list(out.glob("digits/sleeps*")))
    run.send_signal(signal.SIGKILL)
    run.wait()
    finished = {path: path.stat().st_mtime_ns for path in out.glob("digits/*/result.json")}
    assert len(finished) == 4
    (tmp_path / "go").touch()

    resumed = compare("--resume", out)
    assert resumed.exit_code == 0, resumed.output
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    table = rows(out, "sweep.csv")
    assert [(row["pipeline"], row["metric"], row["strategy"], row["seed"], row["status"]) for row in table] == [
        *(("nearest_mean", metric, "", seed, "ok") for metric in ("euclidean", "manhattan") for seed in "01"),
        *(("sleeps", "", strategy, seed, "ok") for strategy in ("prior", "uniform") for seed in "01"),
    ]
    assert "Best on validation: nearest_mean metric=" in resumed.stdout


@pytest.mark.slow
def test_a_setting_of_the_stack_is_the_same_by_flag_and_by_set(tmp_path, pipeline_file):
    def config(name, *options):
        chosen = ["--dataset", "digits", "--train-size", 200, "--pipeline", pipeline_file("nearest_mean")]
        assert compare(*chosen, *options, "--out", tmp_path / name).exit_code == 0
        return json.loads((tmp_path / name / "run.json").read_text())

    by_flag, by_set = config("flag", "--learning-rate", "0.01"), config("set", "--set", "learning_rate=1e-2")
    assert by_flag["stack"] == by_set["stack"]
    assert by_flag["stack"]["learning_rate"] == 0.01
    assert [job["settings"] for job in by_set["jobs"]] == [{}, {}]


@pytest.mark.slow
def test_several_experiments_have_a_folder_each_and_resume_together(tmp_path, monkeypatch, pipeline_file):
    from cvclassic.runs import playground

    mean = playground.Experiment("?", {"metric": ("euclidean", "manhattan")}, (str(pipeline_file("nearest_mean")),))
    dummy = playground.Experiment("?", {"strategy": ("prior",)}, (str(pipeline_file("sleeps")),), repeats=1)
    monkeypatch.setattr(playground, "EXPERIMENTS", {"mean": mean, "dummy": dummy})
    (tmp_path / "go").touch()
    out = tmp_path / "all"
    done = compare("--experiment", "all", "--train-size", "200", "--repeats", 2, "--out", out)
    assert done.exit_code == 0, done.output
    assert {path.name for path in out.iterdir()} == {"mean", "dummy"}
    assert len(rows(out / "mean")) == 4
    assert len(rows(out / "dummy")) == 2
    assert "- Experiment mean: ?\n" in (out / "mean" / "report.md").read_text()
    seen = done.stdout[done.stdout.index("\nmean\nBest on validation: metric=") :]
    assert "\ndummy\nBest on validation: strategy=prior" in seen

    (out / "mean" / "digits").joinpath(job_of(out / "mean", "seed1", "manhattan"), "result.json").unlink()
    again = compare("--experiment", "all", "--out", out)
    assert (again.exit_code, again.stderr.count("\n")) == (2, 1)
    resumed = compare("--resume", out)
    assert resumed.exit_code == 0, resumed.output
    assert len(rows(out / "mean")) == 4
    assert resumed.stderr.count("test accuracy") == 1


def job_of(folder, *parts):
    [name] = [path.name for path in folder.glob("digits/*seed*") if all(part in path.name for part in parts)]
    return name


def test_the_installed_command_starts():
    [command] = metadata.entry_points(group="console_scripts", name="cvclassic")
    result = CliRunner().invoke(command.load(), ["compare", "--help"])
    assert result.exit_code == 0, result.output
    assert "--pipeline" in result.output


def test_help_and_import_load_neither_keras_nor_the_numeric_libraries():
    code = (
        "import sys, cvclassic, cvclassic.cli\n"
        "from typer.testing import CliRunner\n"
        "assert CliRunner().invoke(cvclassic.cli.compare_app, ['--help']).exit_code == 0\n"
        "heavy = ('keras', 'tensorflow', 'sklearn', 'cv2', 'numpy', 'jinja2', 'matplotlib')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_list_names_every_pipeline_and_data_set_without_loading_keras():
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom cvclassic.cli import compare_app\n"
        "result = CliRunner().invoke(compare_app, ['--list'])\n"
        "print(result.output)\nprint('keras loaded:', 'keras' in sys.modules)"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for name in ("hog_svm", "cnn", "sobel_opencv_svm *", "recipe_mnist_relu *", "97.85 %", "learning_rate", "digits"):
        assert name in output
    assert "keras loaded: False" in output


@pytest.mark.parametrize("command", [["--version"], ["compare", "--version"], ["report", "--help"]])
def test_the_version_is_told(command):
    from cvclassic.cli import app

    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert (f"cvclassic {metadata.version('cvclassic')}\n" == result.output) == ("--version" in command)


@pytest.mark.slow
def test_names_are_understood_as_people_write_them(tmp_path, pipeline_file, monkeypatch):
    path = pipeline_file("nearest_mean")
    monkeypatch.setenv("HOME", str(tmp_path))
    chosen = ["Digits", "--pipeline", f"~/{path.name},HOG-linear-svm", "--set", "c=0.5", "--preset", "QUICK"]
    result = compare(*chosen, "--train-size", 200, "--optimizer", "Adam", "--out", "~/run")
    assert result.exit_code == 0, result.output
    found = rows(tmp_path / "run")
    assert [(row["dataset"], row["pipeline"], row["settings"]) for row in found] == [
        ("digits", "nearest_mean", ""),
        ("digits", "hog_linear_svm", "c=0.5"),
    ]


def test_a_fault_of_ours_is_one_line_and_no_traceback(tmp_path, monkeypatch):
    from cvclassic.runs import question

    def broken(*arguments):
        raise ZeroDivisionError("no\nluck")

    monkeypatch.setattr(question, "Question", broken)
    result = compare("digits", "--out", tmp_path / "run")
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert_matches("Error: ZeroDivisionError: no luck .test_cli.py, line .* fault of cvclassic", result.stderr)


@pytest.mark.slow
def test_the_report_of_a_run_is_made_again_and_several_are_laid_side_by_side(tmp_path, pipeline_file):
    from cvclassic.cli import app

    for name in ("a", "b"):
        chosen = ["digits", "--pipeline", pipeline_file("nearest_mean"), "--train-size", 100]
        assert compare(*chosen, "--out", tmp_path / name).exit_code == 0
    (tmp_path / "a" / "report.html").unlink()
    again = CliRunner().invoke(app, ["report", str(tmp_path / "a")])
    assert again.exit_code == 0, again.output
    assert (tmp_path / "a" / "report.html").is_file()
    both = [str(tmp_path / "a"), str(tmp_path / "b")]
    assert CliRunner().invoke(app, ["report", *both]).exit_code == 2
    assert CliRunner().invoke(app, ["report", both[0], "--out", str(tmp_path / "x.html")]).exit_code == 2
    done = CliRunner().invoke(app, ["report", *both, "--out", str(tmp_path / "x.html")])
    assert done.exit_code == 0, done.output
    assert "nearest_mean" in (tmp_path / "x.html").read_text()


def test_the_report_of_a_damaged_run_says_so_and_is_no_success(tmp_path, pipeline_file):
    from cvclassic.cli import app

    chosen = ["digits", "--pipeline", pipeline_file("nearest_mean"), "--train-size", 100]
    assert compare(*chosen, "--out", tmp_path / "run").exit_code == 0
    (tmp_path / "run" / "digits" / "dataset.json").write_bytes(b"")
    again = CliRunner().invoke(app, ["report", str(tmp_path / "run")])
    assert again.exit_code == 1
    assert_matches("Warning: digits/dataset.json is damaged.* is left out", again.stderr)


@linux
@pytest.mark.slow
def test_output_that_goes_nowhere_is_no_fault(tmp_path, pipeline_file):
    listed = f"{sys.executable} {ROOT / 'compare.py'} --list"
    done = subprocess.run(
        ["bash", "-c", f"{listed} | head -1; exit ${{PIPESTATUS[0]}}"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    command = compare_command("digits", "--pipeline", pipeline_file("nearest_mean"), "--out", tmp_path / "run")
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0
    assert done.stderr.endswith("The output can't be written: No space left on device.\n")
    assert (tmp_path / "run" / "report.html").is_file()


@linux
@pytest.mark.usefixtures("heeds_hangup")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_ends_the_command_as_an_interrupt_does_also_before_there_is_a_run(tmp_path, name):
    command = compare_command("digits", "--pipeline", "hog_svm", "--out", tmp_path / "run")
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    until(lambda: "numpy" in Path(f"/proc/{run.pid}/maps").read_text())  # it is importing what a run needs
    run.send_signal(getattr(signal, name))
    assert run.wait(20) == 130
    assert "Interrupted." in run.stderr.read()


def test_a_failed_run_of_an_unknown_result_runs_again(tmp_path, pipeline_file):
    chosen = ["digits", "--pipeline", pipeline_file("nearest_mean"), "--train-size", 100]
    assert compare(*chosen, "--out", tmp_path / "run").exit_code == 0
    [result] = (tmp_path / "run").glob("digits/nearest_mean*/result.json")
    before = result.read_text()
    result.write_bytes(bytes(len(before)))
    resumed = compare("--resume", tmp_path / "run")
    assert resumed.exit_code == 0, resumed.output
    assert json.loads(result.read_text())["test_accuracy"] == json.loads(before)["test_accuracy"]


def test_the_script_passes_options_on_and_returns_the_exit_code(tmp_path):
    done = subprocess.run(
        compare_command("--dataset", "digits", "--pipeline", "nothing_like_it"), capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
