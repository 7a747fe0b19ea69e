"""The doctor of data sets: `check` looks one over before anything learns from it.

>>> from cvclassic.datasets.doctor import check
>>> for finding in check("digits").findings:
...     print(finding.severity, finding.kind)  # doctest: +SKIP
"""

from cvclassic.datasets.doctor.check import check, diagnose
from cvclassic.datasets.doctor.finding import Check, Finding
from cvclassic.datasets.doctor.mislabelled import Mislabelled, probably_mislabelled

__all__ = ["Check", "Finding", "Mislabelled", "check", "diagnose", "probably_mislabelled"]
