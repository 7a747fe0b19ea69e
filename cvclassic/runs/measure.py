"""What a job costs: time, memory and energy, measured in the process that does it.

Energy is that of RAPL, the counters of Intel's and AMD's processors, where Linux lets this user read them.
"""

import importlib
import pickle
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import cloudpickle
import numpy as np
import psutil

POWERCAP = Path("/sys/class/powercap")
SLOW_SECONDS = 5.0  # a prediction that takes longer is timed once


class Meter:
    """Seconds and joules of a fit, from when it is made; those of earlier tries of a resumed training are added.

    `elsewhere` is a mapping that grows meanwhile by what the fit lets others spend, or makes use of; without joules
    where these are not known.
    """

    def __init__(self, elsewhere: Mapping[str, float] = MappingProxyType({"seconds": 0.0, "joules": 0.0})):
        self._elsewhere, self._before = elsewhere, dict(elsewhere)
        self._earlier = {"seconds": 0.0, "joules": 0.0}
        self._energy = energy_counters()
        self._started = time.perf_counter()

    def read(self) -> dict[str, float]:
        """What the fit spent so far: "seconds", and "joules" where the machine tells them."""
        here = {"seconds": time.perf_counter() - self._started, "joules": joules_since(self._energy)}
        return {
            name: self._earlier[name] + here[name] + self._elsewhere[name] - self._before[name]
            for name in here
            if here[name] is not None and name in self._earlier and name in self._elsewhere
        }

    def go_on_from(self, spent: dict[str, float]) -> None:
        """Add what earlier tries spent, as `read` gave it; where they had no joules, there are none to tell."""
        for name in list(self._earlier):
            if name in spent:
                self._earlier[name] += spent[name]
            else:
                del self._earlier[name]


def images_per_second(
    predict: Callable[[np.ndarray], object], X: np.ndarray, first_call: float, clock: Callable[[], float]
) -> float:
    """Images of `X` that `predict` answers in a second, all of them in one call.

    A first call, which took `first_call` seconds, has compiled and traced what had to be. The median of three further
    ones counts, or of fewer where these have taken a second together; and where the first took more than five seconds,
    it alone. `clock` tells seconds.
    """
    if first_call > SLOW_SECONDS:
        return len(X) / first_call
    return len(X) / _median_seconds(lambda _: predict(X), most=3, limit=1.0, clock=clock)


def answer_seconds(predict: Callable[[np.ndarray], object], X: np.ndarray) -> float:
    """Seconds until `predict` has answered for one image alone.

    The median over nine images of `X`, one after another, or over fewer where these have taken half a second together;
    after one that doesn't count.
    """
    predict(X[:1])
    return _median_seconds(lambda k: predict(X[k % len(X)][None]), most=9, limit=0.5, clock=time.perf_counter)


def _median_seconds(call: Callable[[int], object], *, most: int, limit: float, clock: Callable[[], float]) -> float:
    """The median seconds of `call(0)`, `call(1)` and so on: of `most` of them, or as many as take `limit` together."""
    taken: list[float] = []
    while len(taken) < most and sum(taken) < limit:
        started = clock()
        call(len(taken))
        taken.append(clock() - started)
    return float(np.median(taken))


def model_bytes(estimator: object) -> int:
    """Length of the pickled estimator; by cloudpickle where a class or function of it can't be imported."""
    try:
        return len(pickle.dumps(estimator, protocol=5))
    except (pickle.PicklingError, AttributeError, TypeError):
        return len(cloudpickle.dumps(estimator, protocol=5))


def peak_memory_bytes() -> int:
    """Peak resident memory of this process."""
    try:  # Linux: getrusage would report the parent's peak where that was higher, since exec inherits it.
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024
    except (OSError, IndexError):
        pass
    try:
        resource = importlib.import_module("resource")
    except ImportError:  # Windows
        return psutil.Process().memory_info().peak_wset
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def energy_counters(powercap: Path = POWERCAP) -> dict[Path, int] | None:
    """The counter of each processor package in microjoules, by its folder; None where not all can be read, or none is.

    A package has its cores, and with some processors its memory, in it; those domains, which have counters of their
    own, are left out. The counters are the machine's: what other processes use is in them.
    """
    try:
        packages = [p for p in sorted(powercap.glob("intel-rapl:*")) if p.name.count(":") == 1 and _is_package(p)]
        return {package: _number(package / "energy_uj") for package in packages} or None
    except (OSError, ValueError):  # mostly for lack of permission: only root may read them on many systems
        return None


def joules_since(before: dict[Path, int] | None, powercap: Path = POWERCAP) -> float | None:
    """Joules that all packages used since `energy_counters()` gave `before`; None where that, or today's, is None.

    A counter starts again at 0 after `max_energy_range_uj`, on common processors 65 or 262 kJ: 11 or 44 minutes at
    100 W. One such turn is seen, two look like one.
    """
    now = energy_counters(powercap)
    if before is None or now is None or set(before) != set(now):
        return None
    try:
        return sum(_used(package, before[package], now[package]) for package in now) / 1e6
    except (OSError, ValueError):
        return None


def _used(package: Path, before: int, now: int) -> int:
    return now - before if now >= before else now - before + _number(package / "max_energy_range_uj")


def _is_package(domain: Path) -> bool:
    """Not "psys", which is the whole platform and stands beside the packages."""
    return (domain / "name").read_text().startswith("package")


def _number(path: Path) -> int:
    return int(path.read_text())
