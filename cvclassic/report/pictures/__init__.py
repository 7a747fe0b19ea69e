"""The report's pictures, as SVG for its page: drawn by matplotlib from what a study says, deciding nothing.

subject.py    what is drawn: a data set's configurations, the two that its first question is about, their predictions
style.py      colors, fonts, and how a figure becomes inline SVG
labels.py     names beside points, so that none lies on another
accuracy.py   accuracy against time, bars with intervals, costs
classes.py    confusion matrices, F1 of each class
curves.py     learning curves, accuracy against training images, against corruptions
images.py     images that are taken for something else, and what the extractors see
"""

from dataclasses import dataclass

from cvclassic.study.study import DatasetStudy


@dataclass(frozen=True)
class Picture:
    """One picture of the report.

    `name` is safe as an HTML id, and unique within a data set. `caption` says how to read the picture, `alt` has its
    main figures, for those who can't see it. They and `title` are plain text in one line, to be escaped. `svg` is one
    inline `<svg>` element with `role="img"` and `alt` as its `aria-label`; text and lines have the page's color, and
    its ids are unique over all runs and data sets. It scales with its container, between a `min-width` at which a phone
    shows it legibly (wide ones need a box that scrolls) and a `max-width`.
    """

    name: str
    title: str
    caption: str
    alt: str
    svg: str


def pictures(dataset_study: DatasetStudy) -> tuple[list[Picture], list[str]]:
    """All pictures of a data set, and what could not be drawn.

    Returns
    -------
    list of Picture
        In the order of the page; those that the run has no data for are left out.
    list of str
        A sentence for each kind of picture that could not be drawn, with the reason.
    """
    # Here, since they bring SciPy and what the extractors need.
    from cvclassic.report.pictures import accuracy, classes, curves, images
    from cvclassic.report.pictures.style import drawing_style, in_one_line
    from cvclassic.report.pictures.subject import Subject

    if not dataset_study.largest:
        return [], []
    subject = Subject(dataset_study)
    makers = {
        "accuracy against fit time": accuracy.against_fit_time,
        "accuracy against prediction time": accuracy.against_prediction_time,
        "accuracies": accuracy.bars,
        "accuracy against training images": curves.against_training_images,
        "accuracy under corruptions": curves.against_corruptions,
        "what is taken for what": classes.confusions,
        "the F1 of each class": classes.f1_of_each_class,
        "confident mistakes": images.confident_mistakes,
        "images that one alone gets right": images.disagreements,
        "learning curves": curves.learning_curves,
        "costs": accuracy.costs,
        "what the extractors see": images.what_extractors_see,
    }
    drawn: list[Picture] = []
    lost: list[str] = []
    with drawing_style():
        for what, make in makers.items():
            try:
                drawn += make(subject)
            except Exception as error:  # whatever it is, the others are drawn
                reason = in_one_line(f"{type(error).__name__}: {error}")
                lost.append(f"The picture of {what} could not be drawn: {reason}")
    return drawn, lost
