"""Calibration: the factor and the figures are those of scikit-learn and of formulas."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import brier_score_loss, log_loss

from cvclassic.runs.calibration import calibration


@pytest.fixture
def drawn(rng):
    """Logits that are 4 times too steep for the labels drawn from them: of 3,000 validation and test images."""
    logits = rng.normal(0, 1.5, (6000, 4))
    cumulative = softmax(logits, axis=1).cumsum(axis=1)
    labels = (rng.random((6000, 1)) > cumulative).sum(axis=1)
    return 4 * logits[:3000], labels[:3000], 4 * logits[3000:], labels[3000:]


def test_the_factor_is_found_again_and_figures_are_those_of_scikit_learn(drawn):
    _, _, logits, y = drawn
    found = calibration(*drawn)
    p = softmax(logits / 4, axis=1)
    assert found.negative_log_likelihood == pytest.approx(log_loss(y, p), rel=0.01)
    assert found.brier_score == pytest.approx(brier_score_loss(y, p, scale_by_half=False), rel=0.01)
    assert found.calibration_error < 0.03
    assert log_loss(y, softmax(logits, axis=1)) > 1.3 * found.negative_log_likelihood


def test_probabilities_and_their_logarithms_are_the_same_and_two_classes_have_one_score(drawn):
    logits_val, y_val, logits, y = drawn
    of_probabilities = calibration(softmax(logits_val, axis=1), y_val, softmax(logits, axis=1), y)
    np.testing.assert_allclose(of_probabilities, calibration(*drawn), rtol=1e-3)
    two = [array[:, 1] - array[:, 0] if array.ndim == 2 else array % 2 for array in drawn]
    both = [np.stack([np.zeros(len(a)), a], axis=1) if k % 2 == 0 else a for k, a in enumerate(two)]
    np.testing.assert_allclose(calibration(*two), calibration(*both), rtol=1e-6)


def test_the_calibration_error_is_the_mean_gap_of_confidence_and_accuracy():
    y = np.array([0, 0, 0, 1] * 50)
    scores = np.tile([[0.75, 0.25]], (200, 1))
    assert calibration(scores, y, scores, y).calibration_error == pytest.approx(0, abs=1e-3)
    assert calibration(scores, y, scores, 1 - y).calibration_error == pytest.approx(0.5, abs=1e-3)


def test_certain_and_constant_scores_have_finite_figures():
    y = np.arange(40) % 2
    for scores in (np.eye(2)[y], np.zeros((40, 2)), np.full((40, 2), 1e6) * [1, -1]):
        assert np.isfinite(calibration(scores, y, scores, y)).all()
