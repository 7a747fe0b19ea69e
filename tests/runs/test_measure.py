"""What a job costs: a meter of seconds and joules, model sizes, and energy counters in a folder like powercap's."""

import pickle
import time

import numpy as np
import pytest
from sklearn.preprocessing import FunctionTransformer

from cvclassic.runs import measure
from cvclassic.runs.measure import Meter, energy_counters, joules_since, model_bytes, peak_memory_bytes


def test_a_meter_counts_from_when_it_is_made_and_adds_what_earlier_tries_spent(monkeypatch):
    monkeypatch.setattr(measure, "energy_counters", lambda: {"package": 0})
    monkeypatch.setattr(measure, "joules_since", lambda before: 5.0)
    meter = Meter()
    time.sleep(0.02)
    first = meter.read()
    assert 0.02 <= first["seconds"] < 5
    assert first["joules"] == 5
    meter.go_on_from({"seconds": 100.0, "joules": 7.0})
    again = meter.read()
    assert 100 + first["seconds"] <= again["seconds"] < 105
    assert again["joules"] == 12
    meter.go_on_from({"seconds": 100.0})  # a try on a machine that told none
    assert meter.read().keys() == {"seconds"}
    assert meter.read()["seconds"] > 200


def test_a_meter_adds_what_is_spent_elsewhere_meanwhile(monkeypatch):
    monkeypatch.setattr(measure, "energy_counters", lambda: {"package": 0})
    monkeypatch.setattr(measure, "joules_since", lambda before: 5.0)
    elsewhere = {"seconds": 50.0, "joules": 60.0}
    meter = Meter(elsewhere)
    assert meter.read()["joules"] == 5
    elsewhere |= {"seconds": 150.0, "joules": 61.0}
    found = meter.read()
    assert found["joules"] == 6
    assert 100 <= found["seconds"] < 105
    del elsewhere["joules"]
    assert meter.read().keys() == {"seconds"}


def test_a_meter_tells_no_joules_where_the_machine_does_not(monkeypatch):
    monkeypatch.setattr(measure, "energy_counters", lambda *where: None)
    assert Meter().read().keys() == {"seconds"}


def test_the_size_of_a_model_is_that_of_its_pickle_also_where_plain_pickle_cannot():
    array = np.zeros(1000)
    assert model_bytes(array) == len(pickle.dumps(array, protocol=5))
    assert 8000 < model_bytes([array, lambda x: x]) < 20_000
    assert model_bytes(FunctionTransformer(lambda x: x)) > 100


@pytest.mark.slow
def test_peak_memory_rises_with_what_is_used():
    before = peak_memory_bytes()
    block = np.ones(before // 8 + 50 * 2**20 // 8)
    assert peak_memory_bytes() >= block.nbytes


@pytest.fixture
def powercap(tmp_path):
    write(tmp_path, "intel-rapl:0", "package-0", 1_000_000)
    write(tmp_path, "intel-rapl:0:0", "core", 400_000)
    write(tmp_path, "intel-rapl:0:1", "dram", 300_000)
    write(tmp_path, "intel-rapl:1", "package-1", 9_000_000)
    write(tmp_path, "intel-rapl:2", "psys", 20_000_000)
    write(tmp_path, "intel-rapl-mmio:0", "package-0", 1_000_000)
    (tmp_path / "intel-rapl").mkdir()
    return tmp_path


def write(powercap, domain, name, energy, largest=10_000_000):
    (powercap / domain).mkdir(exist_ok=True)
    for file, content in (("name", name), ("energy_uj", energy), ("max_energy_range_uj", largest)):
        (powercap / domain / file).write_text(f"{content}\n")


def test_the_packages_count_once_without_what_is_in_them(powercap):
    before = energy_counters(powercap)
    assert {path.name: value for path, value in before.items()} == {
        "intel-rapl:0": 1_000_000,
        "intel-rapl:1": 9_000_000,
    }
    for domain, name, energy in (("0", "package-0", 3_500_000), ("0:0", "core", 9_000_000), ("2", "psys", 99_000_000)):
        write(powercap, f"intel-rapl:{domain}", name, energy)
    assert joules_since(before, powercap) == 2.5


def test_a_counter_that_starts_again_is_seen(powercap):
    before = energy_counters(powercap)
    write(powercap, "intel-rapl:1", "package-1", 500_000)
    assert joules_since(before, powercap) == 1.5  # 1 J up to 10 J, and 0.5 J from 0


@pytest.mark.parametrize("broken", ["gone", "unreadable", "no number", "another package"])
def test_what_cannot_be_read_is_none_and_not_zero(tmp_path, powercap, broken):
    assert energy_counters(tmp_path / "nothing") is None
    assert joules_since(None, powercap) is None
    before = energy_counters(powercap)
    counter = powercap / "intel-rapl:1" / "energy_uj"
    counter.unlink()
    if broken == "unreadable":
        counter.mkdir()  # raises an OSError as a lack of permission does, also for root
    elif broken == "no number":
        counter.write_text("")
    elif broken == "another package":
        write(powercap, "intel-rapl:1", "package-1", 9_000_000)
        write(powercap, "intel-rapl:3", "package-2", 1)
    assert joules_since(before, powercap) is None


def test_a_machine_without_counters_has_none(tmp_path):
    assert energy_counters(tmp_path) is None


class Clock:
    """A predictor that moves a clock of its own by so many seconds in each call."""

    def __init__(self, monkeypatch, seconds):
        self.seconds, self.now, self.batches = iter(seconds), 0.0, []
        monkeypatch.setattr(measure.time, "perf_counter", lambda: self.now)

    def predict(self, X):
        self.batches.append(len(X))
        self.now += next(self.seconds)


@pytest.mark.parametrize(
    ("first", "seconds", "expected", "calls"),
    [
        (4.0, [0.1, 0.5, 0.2, 9.0], 1000, 3),  # the median of three, the slow first one not among them
        (4.0, [0.7, 0.5, 0.1], 200 / 0.6, 2),  # a second is over
        (4.0, [2.0, 0.1], 100, 1),
        (5.1, [], 200 / 5.1, 0),
    ],
)
def test_images_per_second_are_those_after_the_first_call(monkeypatch, first, seconds, expected, calls):
    clock = Clock(monkeypatch, seconds)
    found = measure.images_per_second(clock.predict, np.zeros((200, 8, 8)), first, lambda: clock.now)
    assert found == pytest.approx(expected)
    assert clock.batches == [200] * calls


@pytest.mark.parametrize(
    ("seconds", "expected", "calls"),
    [([3.0, *[0.01] * 5, *[0.02] * 4], 0.01, 10), ([3.0, 0.4, 0.2], 0.3, 3), ([3.0, 2.0], 2.0, 2)],
)
def test_the_answer_to_one_image_is_timed_after_another_one(monkeypatch, seconds, expected, calls):
    clock = Clock(monkeypatch, seconds)
    assert measure.answer_seconds(clock.predict, np.zeros((4, 8, 8))) == pytest.approx(expected)
    assert clock.batches == [1] * calls
