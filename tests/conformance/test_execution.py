"""Every gated net computes sparsely what it computes masked, and decides the same."""

from functools import cache

import keras
import numpy as np
import pytest

from tests.conformance.subjects import GATED, GATED_LEFT_OUT, disturb, draw_scores, images, marked, small
from tf_routing import calibrate
from tf_routing.models import RoutedModel
from tf_routing.zoo.architectures import ARCHITECTURES

COUNT = 20
_SWITCHING = ("import_split_", "import_skip_", "import_aig_", "import_skipnet", "import_blockdrop", "import_msdnet")
_SWITCHING += ("import_halting_", "import_cascades")
# The share of the images that come to a junction and go on: with half of them none would come to the last.
RATES = dict.fromkeys(("decide_chain8", "decide_tree", "short_chain", "msdnet_5", "short_msdnet"), 0.8)


@cache
def logit_net(name: str) -> RoutedModel:
    """A net that ends in logits, since a softmax hides differences, and whose gates open on half the images."""
    keras.utils.set_random_seed(1)
    model = small(name, classifier_activation=None)
    disturb(model)
    draw_scores(model)
    calibrate(model, images(name, COUNT), rate=RATES.get(name, 0.5))
    return model


def outputs(model: RoutedModel, x: np.ndarray, execution: str, method: str = "auto") -> dict[str, np.ndarray]:
    """The answers and decisions. Run eagerly: tracing a sparse network of this depth takes long."""
    model.set_execution(execution, method)
    return {name: np.asarray(each) for name, each in model.decide(x).items()}


def assert_same_logits(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    # Without an activation the prediction is the logits.
    logits = expected["probabilities"]
    assert np.ptp(logits) > 1e-3
    assert np.abs(found["probabilities"] - logits).max() <= 1e-5 * np.abs(logits).max()


def assert_sparse_is_masked(name: str, method: str, count: int) -> None:
    """Checks decisions, bit by bit, and logits."""
    model, x = logit_net(name), images(name, COUNT)[:count]
    masked, sparse = outputs(model, x, "masked"), outputs(model, x, "sparse", method)
    assert list(sparse) == list(masked)
    for key in model.decision_names:
        np.testing.assert_array_equal(sparse[key], masked[key], err_msg=key)
    assert_same_logits(sparse, masked)


def test_every_net_with_switches_is_among_them() -> None:
    builders = {name: line.import_builder.__name__ for name, line in ARCHITECTURES.items()}
    gated = {name for name, builder in builders.items() if builder.startswith(_SWITCHING)}
    # Networks that leave early have a static one to be compared with.
    gated |= {name for name, line in ARCHITECTURES.items() if line.family == "early_exit" and line.baseline}
    assert gated == {*GATED, *GATED_LEFT_OUT}


@pytest.mark.parametrize("count", [1, COUNT])
@pytest.mark.parametrize("method", ["patterns", "rows"])
@pytest.mark.parametrize("name", marked(GATED))
def test_sparse_equals_masked(name: str, method: str, count: int) -> None:
    assert_sparse_is_masked(name, method, count)


# By default `tests/execution/test_sparse_exits.py` runs a small tree of branches.
@pytest.mark.heavy
def test_sparse_equals_masked_in_a_tree_of_branches() -> None:
    model, x = logit_net("decide_tree"), images("decide_tree", COUNT)
    scores = np.asarray(model(x, return_outputs=True)["junction_1_scores"])
    # Moves the second branch to where half of the images prefer it to the first.
    bias = model.get_layer("junction_1").scores_layer.bias
    bias.assign(np.add(bias, (0, 0, np.median(scores[:, 1] - scores[:, 2]))))
    assert_sparse_is_masked("decide_tree", "auto", COUNT)
    assert outputs(model, x, "sparse")["junction_1"].sum(axis=0).min() >= 2


@pytest.mark.parametrize("name", marked(GATED))
def test_one_image_by_its_case_equals_masked(name: str) -> None:
    model, x = logit_net(name), images(name, 1)
    assert_same_logits(outputs(model, x, "sparse", "switch"), outputs(model, x, "masked"))


@pytest.mark.parametrize("name", marked(GATED))
def test_no_images_give_no_rows(name: str) -> None:
    model = logit_net(name)
    for execution in ("masked", "sparse"):
        model.execution = execution
        assert model(images(name, 0), training=False).shape == (0, model.output_shape[-1])


@pytest.mark.parametrize("name", marked(GATED))
def test_the_share_of_every_choice_is_taken_and_images_differ(name: str) -> None:
    model, x = logit_net(name), images(name, COUNT)
    decisions = outputs(model, x, "masked")
    for key in model.decision_names:
        if name in RATES:
            came = int(decisions[key].sum())
            assert came > 1 and decisions[key][:, 1:].sum() == round(RATES[name] * came), key
        else:
            np.testing.assert_allclose(decisions[key].mean(axis=0), 0.5, atol=1e-6, err_msg=key)
    routes = np.concatenate([decisions[key] for key in model.decision_names], axis=1)
    # One choice of two has no third route.
    assert len(np.unique(routes, axis=0)) > min(2, len(model.decision_names))
