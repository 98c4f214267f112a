"""A junction of confidence lets go who is classified with a probability that is large enough."""

from typing import Any

import numpy as np
import pytest

from tf_routing.layers import ConfidenceJunction
from tf_routing.layers.routers.confidence_junction import log_odds

LOGITS = np.random.default_rng(2).normal(0, 2, (40, 5)).astype("float32")


def probabilities() -> np.ndarray:
    powers = np.exp(LOGITS.astype("float64"))
    return powers / powers.sum(axis=1, keepdims=True)


def odds() -> np.ndarray:
    """Log-odds of the most probable class, from their definition."""
    best = probabilities().max(axis=1, keepdims=True)
    return np.log(best / (1 - best))


def outputs(confidence: float, *inputs: Any, **arguments: Any) -> list[np.ndarray]:
    return [np.asarray(each) for each in ConfidenceJunction(confidence)(LOGITS, *inputs, **arguments)]


@pytest.mark.parametrize("confidence", [0.4, 0.75])
def test_who_is_sure_leaves(confidence: float) -> None:
    sure = probabilities().max(axis=1) >= confidence
    assert 0 < sure.sum() < len(sure)
    decision, scores, leaves, goes = outputs(confidence)
    np.testing.assert_array_equal(decision, np.stack([sure, ~sure], axis=1))
    np.testing.assert_array_equal(np.concatenate([leaves, goes], axis=1), decision)
    theta = np.log(confidence / (1 - confidence))
    np.testing.assert_allclose(scores, np.concatenate([0 * odds(), theta - odds()], axis=1), rtol=1e-4, atol=1e-5)


def test_in_training_leaving_has_a_probability() -> None:
    reach = np.random.default_rng(4).uniform(size=(40, 1)).astype("float32")
    decision, *_ = outputs(0.6, reach, training=True)
    going = 1 / (1 + np.exp(odds() - np.log(1.5)))
    np.testing.assert_allclose(decision, reach * np.concatenate([1 - going, going], axis=1), rtol=1e-4, atol=1e-6)


def test_who_left_before_leaves_no_more() -> None:
    reach = (np.arange(40) % 2).astype("float32")[:, None]
    decision, *_ = outputs(0.6, reach)
    np.testing.assert_array_equal(decision, reach * outputs(0.6)[0])
    assert not decision[::2].any() and decision[1::2].any(axis=0).all()


def test_certainty_has_an_end_and_doubt_is_told_apart() -> None:
    logits = np.array([[0, 0, 0], [0, 8, 0], [0, 9, 0], [0, 200, 0]], "float32")
    found = np.asarray(log_odds(logits))[:, 0]
    np.testing.assert_allclose(found[:3], [-np.log(2), 8 - np.log(2), 9 - np.log(2)], rtol=1e-3)
    assert found[3] == pytest.approx(np.log(1e6))


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_thresholds_are_shifted_to_a_rate(rate: float) -> None:
    junction = ConfidenceJunction()
    junction(LOGITS)
    before = np.asarray(junction.margins(LOGITS))
    shifts = junction.shifts_for_rate(rate, LOGITS)
    junction.shift_thresholds(shifts)
    np.testing.assert_allclose(np.asarray(junction.margins(LOGITS)), before + shifts, rtol=1e-5, atol=1e-5)
    goes = np.asarray(junction(LOGITS)[0])[:, 1]
    assert goes.sum() == rate * len(LOGITS)
    # Who goes on are those of the least confidence.
    assert rate in (0, 1) or odds()[goes == 1].max() < odds()[goes == 0].min()


def test_the_threshold_is_what_trains_and_what_is_saved() -> None:
    junction = ConfidenceJunction(0.8, name="junction_1")
    junction(LOGITS)
    assert [weight.name for weight in junction.trainable_weights] == ["threshold"]
    np.testing.assert_allclose(np.asarray(junction.threshold), [np.log(4)], rtol=1e-6)
    assert ConfidenceJunction.from_config(junction.get_config()).confidence == 0.8
    assert junction.macs((None, 5)) == 0


@pytest.mark.parametrize("confidence", [0, 1, 1.5, "0.5", True, None])
def test_a_confidence_out_of_range_is_refused(confidence: Any) -> None:
    with pytest.raises(ValueError, match=r"`confidence` must be in \(0, 1\)"):
        ConfidenceJunction(confidence)


@pytest.mark.parametrize("shape", [(None, 4, 4, 3), (None, 1), (None, None)])
def test_what_is_no_logits_is_refused(shape: tuple[int | None, ...]) -> None:
    with pytest.raises(ValueError, match="takes logits"):
        ConfidenceJunction().build(shape)
