"""Energy from RAPL, the counters of Intel's and AMD's processors, where Linux lets this user read them."""

from pathlib import Path

POWERCAP = Path("/sys/class/powercap")


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
