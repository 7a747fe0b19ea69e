"""`AuxiliaryModel`: training with further outputs of scores beside those that predict. Importing it imports Keras."""

from __future__ import annotations

from cvclassic.neural.backend import prepare_backend

keras = prepare_backend()


class AuxiliaryModel(keras.Model):
    """A functional model whose outputs after the first learn the same targets, with a smaller weight.

    In training the loss is that of the first output plus `weight` times that of each other one (Szegedy et al., Going
    Deeper with Convolutions, CVPR 2015, section 5). Metrics, and the loss of validation, are those of the first output
    alone, so that they mean the same as for a model without auxiliary outputs.

    Keras's own training of several outputs, each with its targets and loss, would name the metrics by output and take
    no class weights.

    Parameters
    ----------
    inputs, outputs
        As in `keras.Model`; `outputs` is a list of two or more, each of shape (n, n_classes).
    weight : float
    """

    def __init__(self, inputs, outputs, *, weight: float, **kwargs):
        super().__init__(inputs, outputs, **kwargs)
        self.weight = weight

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The loss of one batch, as Keras's training asks for it."""
        scores, *auxiliary = y_pred
        loss = super().compute_loss(x, y, scores, sample_weight, training)
        for other in auxiliary if training else ():
            with_penalties = super().compute_loss(x, y, other, sample_weight, training)
            loss = loss + self.weight * (with_penalties - sum(self.losses))  # the weights' penalties count once
        return loss

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """The metrics of the first output."""
        return super().compute_metrics(x, y, y_pred[0], sample_weight)
