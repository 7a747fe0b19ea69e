"""A run shows itself while it goes on."""

import io

from rich.console import Console

from cvclassic.report import show_progress, show_reading
from cvclassic.report.progress import duration
from cvclassic.runs.forecast import Forecast
from cvclassic.runs.job import Job, Outcome, Result

JOBS = [Job("digits", name, seed, 90, (("C", c),)) for name in ("svm", "cnn") for seed, c in ((0, "1"), (1, "1"))]


class Told:
    """A forecast of so many seconds for each job, by pipeline; None for the others."""

    def __init__(self, workers=1, **by_name):
        self.workers, self.by_name = workers, by_name

    def seconds(self, job):
        return self.by_name.get(job.pipeline)

    by_pipeline = Forecast.by_pipeline
    total = Forecast.total
    wall = Forecast.wall


UNKNOWN = Told()


def outcome_of(job, **figures):
    status = figures.pop("status", "ok")
    return Outcome(Result(job.dataset, job.pipeline, "classical", status, job.seed, job.n_train, **figures))


def test_a_plain_line_for_each_finished_job_where_there_is_no_terminal():
    file = io.StringIO()
    with show_progress(JOBS, UNKNOWN, Console(file=file, width=40)) as listen:
        listen(JOBS[0], 1.0, "epoch 1", None)
        listen(JOBS[0], 2.0, "", outcome_of(JOBS[0], test_accuracy=0.975, fit_seconds=1.26))
        listen(JOBS[1], 2.0, "", outcome_of(JOBS[1], status="failed: ValueError: [b]\x1b[31m\nno"))
    assert file.getvalue().splitlines() == [
        "[1/4] digits  svm  seed 0  97.50 % test accuracy, fit 1.3 s",
        "[2/4] digits  svm  seed 1  failed: ValueError: [b]\ufffd[31m no",
    ]


def test_what_tells_jobs_apart_is_told_and_nothing_else():
    jobs = [Job("a", "svm", 0, 90, (("C", "1"),)), Job("a", "svm", 0, 180, (("C", "10"),)), Job("b", "svm", 0, 90)]
    file = io.StringIO()
    with show_progress(jobs, UNKNOWN, Console(file=file, width=200)) as listen:
        listen(jobs[1], 1.0, "", outcome_of(jobs[1], status="failed: killed"))
    assert file.getvalue() == "[1/3] a  svm  180 training images, C=10  failed: killed\n"


def test_a_live_line_on_a_terminal_with_the_log_s_last_line():
    file = io.StringIO()
    with show_progress(JOBS, UNKNOWN, Console(file=file, width=160, force_terminal=True, color_system=None)) as listen:
        listen(JOBS[0], 12.0, "epoch 3\x1b]0;mine\x07 [bold]" + "x" * 100, None)
        listen(JOBS[0], 12.0, "", outcome_of(JOBS[0], test_accuracy=0.975, fit_seconds=1.26))
    text = file.getvalue()
    assert "[1/4] digits  svm  seed 0  12 s  epoch 3\ufffd]0;mine\ufffd [bold]xxx" in text
    assert "]0;mine\x07" not in text
    assert "97.50 % test accuracy" in text


class Gone(io.StringIO):
    """A terminal that is closed while the run goes on."""

    closed_down = False

    def write(self, text):
        if self.closed_down:
            raise OSError(5, "Input/output error")
        return super().write(text)

    def flush(self):
        if self.closed_down:
            raise OSError(5, "Input/output error")


def test_a_terminal_that_has_gone_does_no_harm():
    for terminal in (True, False):
        file = Gone()
        with show_progress(JOBS, UNKNOWN, Console(file=file, width=160, force_terminal=terminal)) as listen:
            file.closed_down = True
            listen(JOBS[0], 1.0, "epoch 1", None)
            listen(JOBS[0], 2.0, "", outcome_of(JOBS[0], test_accuracy=0.975, fit_seconds=1.26))


def test_how_long_it_will_take_is_told_before_and_what_is_left_meanwhile():
    file = io.StringIO()
    with show_progress(JOBS, Told(svm=100, cnn=1500), Console(file=file, width=200, force_terminal=True)) as listen:
        listen(JOBS[0], 30.0, "epoch 3", None)
        listen(JOBS[0], 130.0, "", outcome_of(JOBS[0], test_accuracy=0.975, fit_seconds=1.26))
        listen(JOBS[1], 400.0, "epoch 4", None)
    text = file.getvalue()
    assert "This will take about 53 min, roughly: cnn 50 min, svm 3 min" in text
    assert "about 53 min left" in text  # 70 + 100 + 2 * 1500 s
    assert "about 50 min left" in text  # the second job has taken more than was thought


def test_several_jobs_at_a_time_share_the_time_and_are_all_shown():
    file, told = io.StringIO(), Told(workers=2, svm=100, cnn=1500)
    with show_progress(JOBS, told, Console(file=file, width=200, force_terminal=True)) as listen:
        listen(JOBS[0], 30.0, "epoch 3", None)
        listen(JOBS[1], 40.0, "epoch 4", None)
        listen(JOBS[0], 130.0, "", outcome_of(JOBS[0], test_accuracy=0.975, fit_seconds=1.26))
    text = file.getvalue()
    assert (
        "This will take about 27 min if each of the 2 workers is as fast as this machine" in text
    )  # (2 * 100 + 2 * 1500) / 2 s
    assert "[0/4 done, 2 running] digits  svm  seed 0  30 s; digits  " in text
    assert "[1/4] digits  svm  seed 0  97.50 %" in text


def test_the_longest_job_is_the_least_that_a_run_takes():
    assert Told(workers=8).wall([100, 1500, 20]) == 1500
    assert Told(workers=2).wall([100, 100, 100]) == 150
    assert Told(workers=2).wall([]) == 0


def test_what_is_not_known_is_told_as_such():
    file = io.StringIO()
    with show_progress(JOBS, Told(cnn=20), Console(file=file, width=200, force_terminal=True)) as listen:
        listen(JOBS[0], 30.0, "epoch 3", None)
    assert "This will take about 40 s, roughly: cnn 40 s; of svm nothing is known yet" in file.getvalue()
    assert "more than 40 s left" in file.getvalue()


def test_durations_have_no_more_places_than_a_forecast_bears():
    assert [duration(s) for s in (0.2, 12, 93, 150, 3000, 9000)] == ["5 s", "10 s", "95 s", "2 min", "50 min", "2.5 h"]


def test_a_bar_tells_of_pictures_on_a_terminal_and_nothing_elsewhere():
    for is_terminal in (True, False):
        file = io.StringIO()
        with show_reading(Console(file=file, force_terminal=is_terminal, width=80)) as reading:
            for _ in range(2):  # a set may be read again
                reading("/home/me/[bold]cats\x1b[31m", 3, 5)
                reading("/home/me/[bold]cats\x1b[31m", 2, 5)
        assert ("[bold]cats" in file.getvalue()) is is_terminal
        assert "\x1b[31m" not in file.getvalue()
