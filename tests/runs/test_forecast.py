"""A forecast follows its rates at first, and then what jobs took."""

import dataclasses

import pytest

from cvclassic import datasets
from cvclassic.runs.forecast import RATES, Forecast
from cvclassic.runs.job import Outcome, Result
from cvclassic.runs.pipelines import find_pipelines
from cvclassic.runs.plan import RunData, plan
from cvclassic.runs.spec import RunSpec


@pytest.fixture(scope="module")
def shapes():
    return datasets.load("shapes", train_size=1000)


def forecast_of(dataset, names, **fields):
    data = RunData.of(RunSpec(**fields), [dataset], find_pipelines(map(str, names)))
    return Forecast(data), plan(data)[0]


def test_a_rate_is_of_images_pairs_and_epochs(shapes):
    forecast, [hog, linear, cnn] = forecast_of(shapes, ["hog_svm", "hog_linear_svm", "cnn"], augment="none", epochs=7)
    predicted = (3 * 1250 + 900 + 100) / 4
    for job, passes in ((hog, 900), (linear, 900), (cnn, 7 * 900)):
        rate, images = RATES[job.pipeline], passes + predicted
        expected = rate.start + rate.image * images + rate.pair * passes * images
        assert forecast.seconds(job) == pytest.approx(expected)
    assert list(forecast.by_pipeline([linear, cnn, hog])) == ["cnn", "hog_svm", "hog_linear_svm"]
    assert forecast.total([hog, cnn]) == forecast.seconds(hog) + forecast.seconds(cnn)


def test_asked_many_times_a_second_it_reckons_once(shapes, monkeypatch):
    forecast, jobs = forecast_of(shapes, ["hog_svm", "cnn"])
    first = [forecast.seconds(job) for job in jobs]
    monkeypatch.setattr(RunData, "task", lambda *args: pytest.fail("reckoned again, beside what is measured"))
    assert [forecast.seconds(job) for job in jobs] == first


def test_mirror_images_budgets_and_limits_are_reckoned_with(shapes):
    names = ["sobel_svm", "color_histogram_svm", "cnn"]
    plain, jobs = forecast_of(shapes, names, augment="none")
    mirrored, _ = forecast_of(shapes, names, augment="mirror")
    ratios = [mirrored.seconds(job) / plain.seconds(job) for job in jobs]
    assert 1.1 < ratios[0] < 4
    assert ratios[1:] == [1, 1]  # a mirrored histogram is the same; layers mirror without more images
    hurried, _ = forecast_of(shapes, names, time_budget=0.5, augment="none")
    assert hurried.seconds(jobs[2]) == RATES["cnn"].start + 0.5
    limited, _ = forecast_of(shapes, names, timeout=0.25)
    assert limited.total(jobs) == 0.75


def test_what_jobs_took_corrects_their_pipeline_and_those_that_have_not_run(shapes, pipeline_file):
    own = pipeline_file("nearest_mean")
    forecast, jobs = forecast_of(shapes, ["hog_svm", "sobel_svm", "cnn", own], repeats=2)
    hog, sobel, cnn, mine = jobs[::2]
    before = forecast.seconds(hog), forecast.seconds(sobel), forecast.seconds(cnn)
    assert forecast.seconds(mine) is None
    assert list(forecast.by_pipeline(jobs))[-1] == mine.pipeline
    assert forecast.total([mine]) is None
    heard = []
    listen = forecast.hearing(lambda *told: heard.append(told))
    done = Outcome(Result("shapes", "hog_svm", "classical", "ok", 0, 900))
    listen(hog, 1.0, "going on", None)
    listen(hog, 3 * before[0], "", done)
    listen(mine, 20.0, "", done)
    listen(sobel, 99.0, "", dataclasses.replace(done, result=dataclasses.replace(done.result, status="failed: no")))
    assert [told[0] for told in heard] == [hog, hog, mine, sobel]
    found = forecast.seconds(jobs[1]), forecast.seconds(sobel), forecast.seconds(cnn)
    assert found == pytest.approx([3 * seconds for seconds in before])
    assert forecast.seconds(jobs[-1]) == pytest.approx(20)
