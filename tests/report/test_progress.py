"""A run shows itself while it goes on."""

import io

from rich.console import Console

from cvclassic.report import show_progress
from cvclassic.runs.job import Job, Outcome, Result

JOBS = [Job("digits", name, seed, 90, (("C", c),)) for name in ("svm", "cnn") for seed, c in ((0, "1"), (1, "1"))]


def outcome_of(job, **figures):
    status = figures.pop("status", "ok")
    return Outcome(Result(job.dataset, job.pipeline, "classical", status, job.seed, job.n_train, **figures))


def test_a_plain_line_for_each_finished_job_where_there_is_no_terminal():
    file = io.StringIO()
    with show_progress(JOBS, Console(file=file, width=40)) as listen:
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
    with show_progress(jobs, Console(file=file, width=200)) as listen:
        listen(jobs[1], 1.0, "", outcome_of(jobs[1], status="failed: killed"))
    assert file.getvalue() == "[1/3] a  svm  180 training images, C=10  failed: killed\n"


def test_a_live_line_on_a_terminal_with_the_log_s_last_line():
    file = io.StringIO()
    with show_progress(JOBS, Console(file=file, width=160, force_terminal=True, color_system=None)) as listen:
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
        with show_progress(JOBS, Console(file=file, width=160, force_terminal=terminal)) as listen:
            file.closed_down = True
            listen(JOBS[0], 1.0, "epoch 1", None)
            listen(JOBS[0], 2.0, "", outcome_of(JOBS[0], test_accuracy=0.975, fit_seconds=1.26))
