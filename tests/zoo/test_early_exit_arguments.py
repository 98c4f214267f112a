"""Arguments of networks that leave early: what they change, and what they refuse."""

from typing import Any

import keras
import numpy as np
import pytest

from tests.exit_net import BRANCHES, exit_model, images
from tf_routing import cost, zoo
from tf_routing.layers import Junction
from tf_routing.objectives import Actor, Critic


def test_the_defaults_are_those_of_the_paper() -> None:
    objective = exit_model().default_objective()
    assert type(objective) is Actor and objective.computation_cost == 8e-9 and objective.temperature == 1.0
    critic = exit_model(strategy="pragmatic_critic").default_objective()
    assert type(critic) is Critic and not critic.optimistic and critic.temperature == 0.1
    static = zoo.get("decide_static2", width_multiplier=0.1).default_objective()
    assert static.computation_cost == 0.0 and static.kernel_decay == 1e-4
    # Nothing but classification and kernels counts there.
    assert static.gradient_factors({}) == {}


def test_the_objective_has_the_networks_arguments_tree_and_costs() -> None:
    common = {"computation_cost": 2e-9, "talr": False, "kernel_decay": 0.2, "temperature": 0.3}
    common |= {"temperature_half_life": None}
    actor = exit_model(BRANCHES, decisiveness_cost=0.5, regularize_policy=True, **common).default_objective()
    critic = exit_model(
        BRANCHES, strategy="optimistic_critic", critic_error="classification", regression_weight=0.7, **common
    ).default_objective()
    for objective in (actor, critic):
        config = objective.get_config()
        assert {name: config[name] for name in common} == common
    assert (actor.decisiveness_cost, actor.regularize_policy) == (0.5, True)
    assert (critic.optimistic, critic.error, critic.regression_weight) == (True, "classification", 0.7)
    model = exit_model(BRANCHES)
    own = {row.layer: row.macs for row in cost.layer_costs(model) if row.macs}
    assert model.default_objective().macs == own
    assert model.default_objective().tree == model.get_layer("probabilities").tree


def test_hidden_units_and_widths() -> None:
    model = exit_model(hidden=7, width_multiplier=2)
    assert {layer.hidden for layer in model.layers if isinstance(layer, Junction)} == {7}
    assert model.get_layer("column_1").filters == [8, 12] and model.get_layer("column_3").filters == [16]


def test_images_become_light_are_standardised_and_shrunk() -> None:
    x = images(2)
    arguments = {"gamma": 2.2, "standardize": ((0.5, 0.4, 0.3), (0.2, 0.25, 0.3)), "pyramid": "average"}
    model = exit_model(**arguments)
    found = [np.asarray(each) for each in keras.Model(model.input, model.get_layer("pyramid").output)(x)]
    expected = (x**2.2 - [0.5, 0.4, 0.3]) / [0.2, 0.25, 0.3]
    np.testing.assert_allclose(found[0], expected, rtol=1e-4, atol=1e-5)
    halves = expected.reshape(2, 4, 2, 4, 2, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(found[1], halves, rtol=1e-4, atol=1e-5)
    plain = exit_model(gamma=1.0)
    assert "gamma" not in {layer.name for layer in plain.layers}
    maps = keras.Model(plain.input, plain.get_layer("pyramid").output)(x)
    np.testing.assert_array_equal(np.asarray(maps[1]), x[:, ::2, ::2])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"strategy": "critic"}, "`strategy` must be one of 'actor', 'pragmatic_critic', .* strategy='critic'"),
        ({"computation_cost": -1.0}, "`computation_cost` must be a number of at least zero. Received: .*-1.0"),
        ({"computation_cost": [1e-9]}, "`computation_cost` must be a number without dynamic_cost=True. Received"),
        ({"dynamic_cost": True, "computation_cost": 1e-9}, "must be a list of numbers with dynamic_cost=True"),
        ({"dynamic_cost": True, "computation_cost": []}, "`computation_cost` must hold at least one value"),
        ({"decisiveness_cost": -1}, "`decisiveness_cost` must be a number of at least zero. Received: .*cost=-1"),
        ({"strategy": "optimistic_critic", "critic_error": "mse"}, "error` must be one of .*error='mse'"),
        ({"kernel_decay": -1}, "`kernel_decay` must be a number of at least zero. Received: kernel_decay=-1"),
        ({"temperature": 0}, "`temperature` must be a positive number. Received: temperature=0"),
        ({"temperature_half_life": -5}, "`temperature_half_life` must be a positive number. Received: .*life=-5"),
        ({"hidden": 0}, "`hidden` must be a positive integer. Received: hidden=0"),
        ({"gamma": 0}, "`gamma` must be a positive number. Received: gamma=0"),
        ({"pyramid": "bilinear"}, "must be one of 'strided', 'average'. Received: .*='bilinear'"),
        (
            {"input_shape": (30, 30, 3)},
            r"`input_shape` must have sides that 8 divides, 8 at least.*Received: input_shape=\(30, 30, 3\)",
        ),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        zoo.get("decide_chain8", **arguments)


def test_a_static_network_cannot_be_told_of_costs() -> None:
    message = "`dynamic_cost` must be False where nothing is decided. Received: dynamic_cost=True"
    with pytest.raises(ValueError, match=message):
        zoo.get("decide_static2", dynamic_cost=True)


def test_an_unknown_argument_lists_the_known() -> None:
    with pytest.raises(TypeError, match="Unknown argument 'stategy'. Did you mean: strategy"):
        zoo.get("decide_chain8", stategy="actor")


# Trees


_LEAF = {"channels": [4], "sinks": ["classify"]}


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ("classify", "`tree` must hold dicts of channels and sinks. Received: 'classify'"),
        ({"channels": [4]}, "`tree` must hold dicts of channels and sinks. Received: {'channels': .4.}"),
        ({**_LEAF, "width": 2}, "`tree` must hold dicts of channels and sinks. Received: .*'width': 2"),
        ({**_LEAF, "channels": 4}, "`tree` must hold positive integers as channels. Received: channels=4"),
        ({**_LEAF, "channels": [4, 0]}, r"`tree` must hold positive integers as .* channels=\[4, 0\]"),
        ({**_LEAF, "channels": []}, r"`tree` must hold positive integers as channels. Received: channels=\[\]"),
        ({**_LEAF, "sinks": []}, r"`tree` must hold lists of columns and at most one 'classify' .* sinks=\[\]"),
        ({**_LEAF, "sinks": "classify"}, "`tree` must hold lists of columns .* sinks='classify'"),
        ({**_LEAF, "sinks": ["classify", "classify"]}, "at most one 'classify' as sinks. Received: sinks=.'classify'"),
        ({**_LEAF, "sinks": ["clasify"]}, "`tree` must hold dicts of channels and sinks. Received: 'clasify'"),
        (
            {"channels": [4], "sinks": ["classify", {"channels": [4, 4], "sinks": ["classify"]}]},
            r"`tree` must not add scales behind 1 of them. Received: channels=\[4, 4\]",
        ),
    ],
)
def test_a_wrong_tree_is_named(tree: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        zoo.get("decide_chain8", tree=tree)
