"""What tuning may vary of a network and of its training."""

from collections.abc import Collection, Sequence

from cvclassic.neural.stack import TrainingStack


def search_space(
    stack: TrainingStack, traits: Collection[str] = (), widths: Sequence[int] = ()
) -> dict[str, list | tuple]:
    """The space that a network's pipeline file declares in its `search(task)`.

    Parameters
    ----------
    stack : TrainingStack
        The learning rate is searched from a tenth to three times its own.
    traits : collection of str
        Of the data set. With "mirror" it is tried whether mirror images help.
    widths : sequence of int
        Values of the model's parameter `width`, for a model that has `dropout` and `shift` as well. With none these
        are not searched.

    Returns
    -------
    dict of parameter to a list of values, or a range
    """
    rate = stack.initial_learning_rate()
    space: dict[str, list | tuple] = {"mirror": [False, True]} if "mirror" in traits else {}
    space |= {"learning_rate": (rate / 10, 3 * rate, "log"), "weight_decay": (0.001, 1.0, "log")}
    if widths:
        space |= {"width": list(widths), "dropout": (0.0, 0.6), "shift": [0, 1, 2]}
    return space
