"""Classical computer vision that is fast, and an honest comparison of it with neural networks.

The rooms, each usable alone: `cvclassic.datasets`, `cvclassic.features`, `cvclassic.svm`, `cvclassic.neural`.
They meet in a run of `cvclassic compare` (`cvclassic.experiment`), whose folder `cvclassic.report` reads.
"""

__version__ = "0.1.0"
