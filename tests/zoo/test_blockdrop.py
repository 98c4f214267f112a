"""The layout of BlockDrop: a policy network that decides about all blocks at once, and counts beside those printed."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import tf_routing
from tf_routing import cost, zoo
from tf_routing.core.graph import deciding_layers
from tf_routing.layers import BlockPolicy, SkipBlock, SkipRouter
from tf_routing.models import RoutedModel
from tf_routing.objectives import PolicyGradient
from tf_routing.optimizers import DecayedSGD
from tf_routing.zoo.arguments.builder_arguments import call_builder
from tf_routing.zoo.builders import blockdrop

REGULAR, STRIDED = 2 * 9 * 16**2 * 32**2, (9 * 16 * 32 + 9 * 32**2) * 16**2


@cache
def shallow(**arguments: Any) -> RoutedModel:
    """Four blocks at their own width."""
    common = {"classes": 10, "input_shape": (32, 32, 3), "include_top": True, "pooling": None}
    common |= {"classifier_activation": "softmax", "name": "net", "stage_blocks": (2, 1, 1), "widths": (16, 32, 64)}
    model = call_builder(blockdrop.build, {**common, **arguments})
    model.execution = "masked"
    return model


def of_type(model: keras.Model, kind: type) -> list[Any]:
    return [layer for layer in model.layers if isinstance(layer, kind)]


def images(count: int = 8) -> np.ndarray:
    return np.random.default_rng(1).uniform(size=(count, 32, 32, 3)).astype("float32")


def test_a_policy_scores_all_blocks_from_the_image_alone() -> None:
    (policy,) = of_type(shallow(), BlockPolicy)
    blocks, routers = of_type(shallow(), SkipBlock), of_type(shallow(), SkipRouter)
    assert len(blocks) == len(routers) == policy.blocks == 4
    for number, (block, router) in enumerate(zip(blocks, routers, strict=True)):
        assert router.input is policy.output[number] and block.input[1] is router.output
        assert (router.kind, router.relaxation) == ("recurrent", "sampled")
    # All of the policy network does nothing but decide.
    deciding = {layer.name for layer in deciding_layers(shallow())}
    assert {name for name in (layer.name for layer in shallow().layers) if name.startswith("policy")} <= deciding


def test_shortcuts_average_and_pad() -> None:
    block = of_type(shallow(), SkipBlock)[2]
    x = np.random.default_rng(0).normal(size=(2, 32, 32, 16)).astype("float32")
    means = x.reshape(2, 16, 2, 16, 2, 16).mean(axis=(2, 4))
    expected = np.concatenate([means, np.zeros_like(means)], axis=-1)
    np.testing.assert_allclose(np.asarray(block(x, np.zeros((2, 1), "float32"))), expected, atol=1e-6)


def test_costs_by_hand() -> None:
    fixed, gated = cost.gated_macs(shallow())
    assert [int(each[0]) for each in gated.values()] == [REGULAR, REGULAR, STRIDED, STRIDED]
    stem, head, policy = 27 * 16 * 32**2, 640, REGULAR + 2 * STRIDED + 64 * 4
    assert fixed == 2 * stem + policy + head


def test_operations_are_those_that_the_authors_print() -> None:
    rows = json.loads((Path(tf_routing.__file__).parent / "zoo" / "reported.json").read_text())
    (row,) = (each for each in rows if each["row"] == "blockdrop_resnet110_policy")
    assert "1.81E+08 FLOPs" in row["note"] and "1.5 % more" in row["note"]
    blocks = 2 * 17 * REGULAR + 18 * REGULAR + 2 * STRIDED
    whole = 2 * 27 * 16 * 32**2 + REGULAR + 2 * STRIDED + 64 * 54 + 640
    assert whole + blocks == row["macs"]
    # Multiplications and additions, at the mean share of blocks.
    flops = 2 * (whole + blocks * row["executed_blocks"]["cifar10"] / row["blocks"])
    assert flops / 1.81e8 == pytest.approx(1.015, abs=1e-3)


def test_training_draws_and_inference_decides() -> None:
    model = shallow(seed=3)
    policy = model.get_layer("policy")
    policy.scores_layer.kernel.assign(np.zeros(policy.scores_layer.kernel.shape))
    policy.scores_layer.bias.assign([9.0, 9.0, -9.0, -9.0])
    outputs = model(np.repeat(images(1), 200, axis=0), training=True, return_outputs=True)
    drawn = [float(np.mean(outputs[name])) for name in model.decision_names]
    np.testing.assert_allclose(drawn, [0.8, 0.8, 0.2, 0.2], atol=0.1)
    hard = model.answer_hard(images())
    assert [float(np.mean(hard[f"hard_{name}"])) for name in model.decision_names] == [1, 1, 0, 0]
    np.testing.assert_allclose(hard["hard_probabilities"], model(images()), atol=1e-6)


def test_a_step_trains_the_policy_by_its_rewards_and_counts_for_the_curriculum() -> None:
    model = shallow(seed=4, curriculum_steps=1, classification_weight=0.0, entropy_weight=0.0)
    model.compile(DecayedSGD(0.1, kernel_decay=0.0))
    policy, head = model.get_layer("policy"), np.asarray(model.get_layer("head").kernel)
    before = np.asarray(policy.scores_layer.bias)
    for _ in range(3):
        logs = model.train_on_batch(images(), np.arange(8), return_dict=True)
    assert int(policy.steps) == 3
    assert np.abs(np.asarray(policy.scores_layer.bias) - before).max() > 0
    np.testing.assert_array_equal(head, np.asarray(model.get_layer("head").kernel))
    assert {"policy_loss", "entropy_loss", "execution_rate"} <= set(logs)


def test_the_objective_has_its_arguments() -> None:
    objective = zoo.get("blockdrop_32", width_multiplier=0.1, penalty=10.0).default_objective()
    assert isinstance(objective, PolicyGradient) and objective.penalty == 10
    assert objective.decisions == {f"router_{n}": f"policy_scores_{n}" for n in range(1, 16)}
    with pytest.raises(ValueError, match="penalty"):
        zoo.get("blockdrop_32", penalty=-1.0)
