"""Arguments of networks that skip blocks: what they change, and what they refuse."""

import math
from typing import Any

import keras
import numpy as np
import pytest

from tf_routing import zoo
from tf_routing.layers import RouterMemory, SkipBlock, SkipRouter
from tf_routing.models import RoutedModel
from tf_routing.objectives import DiverseRoutes
from tf_routing.zoo.arguments.builder_arguments import call_builder
from tf_routing.zoo.builders import skip_resnet

OBJECTIVE = {
    "consistency_weight": 0.3,
    "diversity_weight": 0.1,
    "cost_weight": 0.07,
    "regularization_weight": 0.6,
    "consistency_margin": 0.25,
    "diversity_margin": 1.5,
    "regularization": "center",
    "target": 0.4,
}


def small(**arguments: Any) -> RoutedModel:
    """A network of four blocks from the builder of the zoo's."""
    usual = {"stage_blocks": (2, 1, 1), "widths": (16, 32, 64), "classes": 10, "input_shape": (16, 16, 3)}
    usual |= {"include_top": True, "pooling": None, "classifier_activation": "softmax", "name": "net"}
    model = call_builder(skip_resnet.build, {**usual, "width_multiplier": 0.25, **arguments})
    model.execution = "masked"
    return model


def named(name: str, /, **arguments: Any) -> RoutedModel:
    """A narrow one of the zoo."""
    return zoo.get(name, **{"width_multiplier": 0.125, "input_shape": (16, 16, 3), **arguments})


def of_type(model: keras.Model, kind: type) -> list[Any]:
    return [layer for layer in model.layers if isinstance(layer, kind)]


def images(count: int = 2) -> np.ndarray:
    return np.random.default_rng(6).uniform(size=(count, 16, 16, 3)).astype("float32")


# The objective


def test_the_objective_has_its_arguments() -> None:
    objective = named("drn_resnet32", **OBJECTIVE).default_objective()
    assert type(objective) is DiverseRoutes
    config = objective.get_config()
    assert {name: config[name] for name in OBJECTIVE} == OBJECTIVE
    assert (config["copies"], config["label_smoothing"]) == (1, 0.0)


def test_the_defaults_are_those_of_the_paper() -> None:
    config = named("drn_resnet32").default_objective().get_config()
    expected = {"consistency_weight": 0.2, "diversity_weight": 0.2, "cost_weight": 0.05, "regularization_weight": 0.5}
    expected |= {"consistency_margin": 0.2, "diversity_margin": 0.5, "regularization": "within", "target": None}
    assert {name: config[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("arguments", "weights"),
    [
        ({}, (0.4, 0.4)),
        # They are the study's, whatever the classes.
        ({"classes": 7}, (0.4, 0.4)),
        ({"classes": 7, "consistency_weight": 0.1}, (0.1, 0.4)),
        ({"diversity_weight": 0.0}, (0.4, 0.0)),
    ],
)
def test_the_defaults_on_tiny_imagenet(arguments: dict[str, Any], weights: tuple[float, float]) -> None:
    model = named("drn_resnet50_tinyimagenet", **arguments)
    objective = model.default_objective()
    assert (objective.consistency_weight, objective.diversity_weight) == weights
    assert objective.cost_weight == 0.05
    assert model.output_shape == (None, arguments.get("classes", 200))


def test_a_default_objective_is_ready_to_train_on() -> None:
    model = small(classes=5, target=0.5)
    model.compile(keras.optimizers.SGD(0.05), objective=model.default_objective().grouped(2), run_eagerly=True)
    logs = model.train_on_batch(images(4), np.arange(4) // 2, return_dict=True)
    terms = {"classification_loss", "consistency_loss", "diversity_loss", "cost_loss", "regularization_loss"}
    assert set(logs) == {"loss", *terms, "execution_rate", "cost_weight"}
    assert logs["loss"] == pytest.approx(sum(float(logs[term]) for term in terms), rel=1e-5)
    assert 0 < logs["cost_loss"] < 0.05 == pytest.approx(float(logs["cost_weight"]))


# The network


def test_routers_have_their_arguments() -> None:
    for router in of_type(small(hidden=5, beta=3.0, init_open_rate=0.8), SkipRouter):
        assert (router.hidden, router.beta) == (5, 3.0)
        assert tuple(router.hidden_layer.kernel.shape)[1] == 5
        np.testing.assert_allclose(np.asarray(router.scores_layer.bias), [math.log(4), 0.0], rtol=1e-5)


def test_the_memory_of_recurrent_routers_starts_with_the_open_rate() -> None:
    (memory,) = of_type(small(router="recurrent", init_open_rate=0.8), RouterMemory)
    np.testing.assert_allclose(np.asarray(memory.scores.bias), [math.log(4), 0.0], rtol=1e-5)


def test_the_width_scales_blocks_and_not_routers() -> None:
    model = small()
    assert [model.get_layer(f"stage_{s}_block_1").output.shape[-1] for s in (1, 2, 3)] == [4, 8, 16]
    assert {router.hidden for router in of_type(model, SkipRouter)} == {16}
    recurrent = small(router="recurrent")
    assert recurrent.get_layer("router_memory").units == recurrent.get_layer("router_1_features").units == 10


def test_every_router_that_draws_has_a_seed_of_its_own() -> None:
    seeds = [router.seed for router in of_type(small(decision="bernoulli", seed=3), SkipRouter)]
    assert len(set(seeds)) == len(seeds) == 4
    assert [router.seed for router in of_type(small(decision="bernoulli"), SkipRouter)] == [None] * 4


def test_features_end_before_the_head() -> None:
    model = small()
    maps, vectors = (small(include_top=False, pooling=pooling) for pooling in (None, "avg"))
    body = model.get_weights()[:-2]
    for each in (maps, vectors):
        each.set_weights(body)
        assert not {"head", "logits", "probabilities"} & {layer.name for layer in each.layers}
        assert each.decision_names == model.decision_names
    last = keras.Model(model.input, model.get_layer("stage_3_block_1").output)
    expected = np.asarray(last(images(), training=False))
    assert expected.shape == (2, 4, 4, 16) and np.abs(expected).max() > 0
    np.testing.assert_allclose(np.asarray(maps(images(), training=False)), expected, rtol=1e-4, atol=1e-5)
    pooled = np.asarray(vectors(images(), training=False))
    np.testing.assert_allclose(pooled, expected.mean(axis=(1, 2)), rtol=1e-4, atol=1e-5)


def test_a_bypassed_block_passes_its_input_on_without_a_rectifier() -> None:
    block = small().get_layer("stage_1_block_2")
    assert isinstance(block, SkipBlock)
    x = np.random.default_rng(0).normal(size=(2, 16, 16, 4)).astype("float32")
    np.testing.assert_array_equal(np.asarray(block(x, np.zeros((2, 1), "float32"))), x)


# Errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"router": "rnn"}, "`router` must be one of 'linear', 'conv', 'recurrent'. Received: router='rnn'"),
        ({"decision": "last"}, "`decision` must be one of 'threshold', 'bernoulli', 'first', .*'last'"),
        # Routers know it; a network has no switches to give.
        ({"decision": "given"}, "`decision` must be one of .*Received: decision='given'"),
        ({"decision": "first"}, "`decision='first'` needs a number of blocks. Received: keep=None"),
        ({"keep": 12}, "`decision='threshold'` takes no number of blocks. Received: keep=12"),
        ({"decision": "bernoulli", "keep": 12}, "`decision='bernoulli'` takes no number of blocks. Received: keep=12"),
        ({"decision": "random", "keep": 0}, "`keep` must be a positive integer. Received: keep=0"),
        ({"decision": "first", "keep": 16}, "`keep` must be at most 15, the blocks there are. Received: keep=16"),
        (
            {"decision": "first", "keep": 12, "router": "recurrent"},
            "`router` counts only .*Received: router='recurrent'",
        ),
        ({"hidden": 0}, "`hidden` must be a positive integer. Received: hidden=0"),
        ({"beta": -1.0}, "`beta` must be a positive number. Received: beta=-1.0"),
        ({"init_open_rate": 1.0}, r"`init_open_rate` must be in \(0, 1\). Received: init_open_rate=1.0"),
        ({"init_open_rate": 1.0, "router": "recurrent"}, r"`init_open_rate` must be in .* init_open_rate=1.0"),
        ({"target": 0}, r"`target` must be None or in \(0, 1\]. Received: target=0"),
        ({"regularization": "third"}, "must be one of 'within', 'center'. Received: regularization='third'"),
        ({"cost_weight": -1}, "`cost_weight` must be a number of at least zero. Received: cost_weight=-1"),
    ],
)
def test_wrong_values_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        named("drn_resnet32", **arguments)


@pytest.mark.parametrize("name", ["drn_resnet32", "drn_resnet50_tinyimagenet"])
def test_an_unknown_argument_lists_the_known(name: str) -> None:
    with pytest.raises(TypeError, match="Unknown argument 'desicion'. Did you mean: decision") as raised:
        zoo.get(name, desicion="first")
    listed = set(str(raised.value).partition("All arguments of ")[2].partition(": ")[2].rstrip(".").split(", "))
    family = {"router", "hidden", "beta", "decision", "keep", "init_open_rate", "seed", *OBJECTIVE}
    family |= {"hidden_activation", "bypass", "entries", "target_blocks", "relaxation"}
    common = {
        "classes",
        "input_shape",
        "input_tensor",
        "include_top",
        "pooling",
        "name",
        "classifier_activation",
        "weights",
    }
    assert listed == family | common | {"standardize", "width_multiplier"}


def test_an_unknown_name_lists_close_ones() -> None:
    with pytest.raises(ValueError, match="Unknown architecture 'drn_resnet31'. Did you mean: .*drn_resnet32"):
        zoo.get("drn_resnet31")
