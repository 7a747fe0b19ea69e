"""The report's pictures, as SVG for its page: made from a run's folder, drawn by matplotlib.

subject.py    what is drawn: one data set of a run, its pipelines at the largest training size, their predictions
style.py      colors, fonts, and how a figure becomes inline SVG
labels.py     names beside points, so that none lies on another
accuracy.py   accuracy against time, bars with intervals, costs
classes.py    confusion matrices, F1 of each class
curves.py     learning curves, accuracy against training images, against corruptions
images.py     images that are taken for something else, and what the extractors see
"""

from dataclasses import dataclass

from cvclassic.experiment.result import Run


@dataclass(frozen=True)
class Picture:
    """One picture of the report.

    `name` is safe as an HTML id, and unique within a data set. `caption` says how to read the picture, `alt` has its
    main figures, for those who can't see it. `svg` is one inline `<svg>` element with `role="img"` and `alt` as its
    `aria-label`; text and lines have the page's color, and its ids are unique over all runs and data sets. It scales
    with its container, between a `min-width` at which a phone shows it legibly (wide ones need a box that scrolls) and
    a `max-width`.
    """

    name: str
    title: str
    caption: str
    alt: str
    svg: str


def pictures(run: Run, dataset: dict) -> list[Picture]:
    """All pictures of a data set, in the order of the page; those that the run has no data for are left out.

    Parameters
    ----------
    run : Run
        As `read_run` gives it.
    dataset : dict
        One of `run.datasets`.

    Raises
    ------
    InputError
        Where a file of the run is damaged.
    """
    # Here, since they bring SciPy and what the extractors need.
    from cvclassic.report.pictures import accuracy, classes, curves, images
    from cvclassic.report.pictures.style import drawing_style
    from cvclassic.report.pictures.subject import Subject

    subject = Subject(run, dataset)
    if not subject.settings:
        return []
    makers = (
        accuracy.against_fit_time,
        accuracy.against_prediction_time,
        accuracy.bars,
        curves.against_training_images,
        curves.against_corruptions,
        classes.confusions,
        classes.f1_of_each_class,
        images.confident_mistakes,
        images.disagreements,
        curves.learning_curves,
        accuracy.costs,
        images.what_extractors_see,
    )
    with drawing_style():
        return [picture for make in makers for picture in make(subject)]
