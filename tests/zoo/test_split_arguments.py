"""Arguments of dynamic multi-path networks: what they change, and what they refuse."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import tf_routing
from tf_routing import zoo
from tf_routing.cost import gated_macs
from tf_routing.layers import Controller, SplitBlock
from tf_routing.models import RoutedModel
from tf_routing.objectives import Classification, DynamicMultipath, load_categories
from tf_routing.zoo.architectures import ARCHITECTURES
from tf_routing.zoo.builders import mobilenetv2

ROWS = json.loads((Path(tf_routing.__file__).parent / "zoo" / "reported.json").read_text("utf-8"))
COARSE = load_categories("cifar100", 100)
PAPERS, SHORT = "dmnn50_cifar_n2", "dmnn_short_n2"


@pytest.fixture(scope="module", autouse=True)
def _short_network() -> Iterator[None]:
    """The paper's network with one block per stage: most arguments mean the same in 4 blocks as in 16."""
    papers = ARCHITECTURES[PAPERS]
    with pytest.MonkeyPatch.context() as patch:
        short = papers._replace(arguments={**papers.arguments, "stage_blocks": (1, 1, 1, 1)})
        patch.setitem(ARCHITECTURES, SHORT, short)
        yield


def small(name: str = SHORT, /, **arguments: Any) -> RoutedModel:
    model = zoo.get(name, **{"width_multiplier": 0.0625, "input_shape": (32, 32, 3), **arguments})
    model.execution = "masked"
    return model


def controllers(model: RoutedModel) -> list[Controller]:
    return [layer for layer in model.layers if isinstance(layer, Controller)]


def images(count: int = 2) -> np.ndarray:
    return np.random.default_rng(6).uniform(size=(count, 32, 32, 3)).astype("float32")


# The objective


def test_the_objective_knows_the_rate_and_what_sub_blocks_cost() -> None:
    model = small(target_rate=0.35)
    objective = model.default_objective()
    assert type(objective) is DynamicMultipath and objective.target_rate == 0.35
    fixed, gated = gated_macs(model)
    assert objective.macs == {name: macs.tolist() for name, macs in gated.items()}
    assert list(objective.macs) == [each.name for each in controllers(model)]
    assert objective.total_macs == sum(map(sum, objective.macs.values())) == model.static_cost - fixed
    assert small().default_objective().target_rate == 0.7


def test_one_sub_block_per_block_is_the_plain_net_with_controllers() -> None:
    one, plain = small(PAPERS, sub_blocks=1), small("resnet50_cifar")
    deciding = sum(math.prod(weight.shape) for each in controllers(one) for weight in each.weights if weight.ndim == 2)
    assert one.static_cost - deciding == plain.static_cost
    assert {len(macs) for macs in gated_macs(one)[1].values()} == {1} and len(controllers(one)) == 16
    # No card of the zoo is claimed for it.
    assert one.name == "dmnn50_cifar_n2_own_sub_blocks" and small(PAPERS, sub_blocks=2).name == PAPERS


def assert_full_cost(model: RoutedModel, sub_blocks: int, whole: int) -> None:
    """Eq. 14 where all sub-blocks run, by its denominator."""
    objective, classes = model.default_objective(), model.output_shape[-1]
    assert objective.total_macs == whole
    assert sum(map(sum, objective.macs.values())) == sub_blocks
    outputs = {name: keras.ops.ones((3, 2)) for name in objective.macs} | {"logits": keras.ops.zeros((3, classes))}
    expected = (sub_blocks / whole - 0.7) ** 2
    assert float(objective([0, 1, 2], outputs)["flops_loss"]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("flops_total", ["subblocks", "network"])
def test_both_readings_of_the_full_cost(flops_total: str) -> None:
    model = small(classes=10, flops_total=flops_total)
    sub_blocks = sum(int(macs.sum()) for macs in gated_macs(model)[1].values())
    assert sub_blocks < model.static_cost
    assert_full_cost(model, sub_blocks, {"subblocks": sub_blocks, "network": model.static_cost}[flops_total])


@pytest.mark.heavy
@pytest.mark.parametrize(("flops_total", "whole"), [("subblocks", "macs_sub_blocks"), ("network", "macs")])
def test_both_readings_of_the_full_cost_of_the_papers_own_network(flops_total: str, whole: str) -> None:
    (row,) = [row for row in ROWS if row["row"] == "dmnn50_n2"]
    assert_full_cost(zoo.get("dmnn50_n2", flops_total=flops_total), row["macs_sub_blocks"], row[whole])


def test_categories_weigh_by_stage() -> None:
    weights = list(small(PAPERS).default_objective().category_weights.values())
    assert weights == [1e-4] * 3 + [1e-3] * 4 + [1e-2] * 6 + [1e-1] * 3
    mobilenet = small("dmnn_mobilenetv2_n2", classes=3, categories=[0, 1, 0]).default_objective()
    assert mobilenet.categories == [0, 1, 0]
    assert list(mobilenet.category_weights.values()) == [1e-4] * 3 + [1e-3] * 3 + [1e-2] * 7 + [1e-1] * 4


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, COARSE),
        ({"classes": 100}, COARSE),
        ({"classes": 10}, None),
        ({"use_category": True}, COARSE),
        ({"use_category": False}, None),
        ({"classes": 4, "categories": [0, 1, 1, 2]}, [0, 1, 1, 2]),
        ({"classes": 4, "categories": [0, 1, 1, 2], "use_category": False}, None),
        ({"categories": None}, None),
    ],
)
def test_categories_belong_to_the_classes(arguments: dict[str, Any], expected: list[int] | None) -> None:
    assert small(**arguments).default_objective().categories == expected


@pytest.mark.parametrize(
    ("name", "arguments", "count"),
    [
        # 16 (32 x 20 + 20), and with the paper's 58 groups 16 and 17 times (32 x 58 + 58).
        ("dmnn50_cifar_n2", {}, 10_560),
        ("dmnn50_n2", {"classes": 58, "categories": list(range(58))}, 30_624),
        ("dmnn_mobilenetv2_n2", {"classes": 58, "categories": list(range(58))}, 32_538),
    ],
)
def test_category_heads_are_counted_apart(name: str, arguments: dict[str, Any], count: int) -> None:
    model = small(name, **arguments)
    own = model.count_params(), len(model.weights), len(model.variables)
    assert model.objective_variables == []
    model.compile()
    assert sum(math.prod(each.shape) for each in model.objective_variables) == count
    assert (model.count_params(), len(model.weights), len(model.variables)) == own
    assert not {id(each) for each in model.objective_variables} & {id(each) for each in model.variables}


_DMNN = [row for row in ROWS if row["paper"] == "Dynamic Multi-path Neural Network" and row["architecture"]]
_GATED = [row for row in _DMNN if row["architecture"].startswith("dmnn")]


@pytest.mark.parametrize("row", _GATED, ids=lambda row: row["row"])
def test_reported_rows_are_trained_with_what_they_say(row: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    line = ARCHITECTURES[row["architecture"]]
    if "stage_blocks" in line.arguments:
        line = line._replace(arguments={**line.arguments, "stage_blocks": (1, 1, 1, 1)})
        monkeypatch.setitem(ARCHITECTURES, row["architecture"], line)
    monkeypatch.setattr(mobilenetv2, "_TABLE", ((1, 16, 1, 1), (6, 24, 1, 2)))
    assert set(row.get("needs", {})) <= {"categories"}
    needed = {name: [each % 58 for each in range(row["classes"])] for name in row.get("needs", {})}
    by_default = small(row["architecture"], **row["arguments"]).default_objective().names
    as_reported = small(row["architecture"], **row["arguments"], **needed).default_objective().names
    # Those of CIFAR-100 are built in; of the ablation's rows two have none.
    without = row["row"] in ("dmnn50_n2_ablation_none", "dmnn50_n2_ablation_prev")
    assert ("category_loss" in as_reported) != without
    assert ("category_loss" in by_default) == (row["classes"] == 100)


# The network


def test_widths_are_those_of_a_stages_sub_blocks() -> None:
    model = small(widths=(16, 32, 48, 80))
    blocks = [layer for layer in model.layers if isinstance(layer, SplitBlock)]
    found = [part.get_layer("conv_2").filters for block in blocks for part in block.sub_blocks]
    assert found == [width for width in (1, 2, 3, 5) for _ in range(2)]
    assert blocks[-1].output.shape[-1] == 128


def test_without_the_previous_state_controllers_have_no_weights_for_it() -> None:
    plain, alone = small(), small(use_previous=False)
    assert [len(each.trainable_weights) for each in controllers(plain)] == [4] + [6] * 3
    assert [len(each.trainable_weights) for each in controllers(alone)] == [4] * 4
    assert plain.count_params() - alone.count_params() == 3 * (32 * 32 + 32)
    assert plain.static_cost - alone.static_cost == 3 * 32 * 32


@pytest.mark.parametrize(
    ("name", "default", "force_one"),
    [
        *((SHORT, [], force_one) for force_one in (None, True, False)),
        *(("dmnn_mobilenetv2_n2", [2, 4, 7, 14], force_one) for force_one in (None, False)),
        # Read where the other builder reads it.
        pytest.param("dmnn_mobilenetv2_n2", [2, 4, 7, 14], True, marks=pytest.mark.heavy),
    ],
)
def test_force_one(name: str, default: list[int], force_one: bool | None) -> None:
    found = [each.force_one for each in controllers(small(name, classes=3, force_one=force_one))]
    expected = [n in default if force_one is None else force_one for n in range(1, len(found) + 1)]
    assert found == expected


@pytest.mark.parametrize(("rate", "bias"), [(None, 0.0), (0.85, math.log(0.85 / 0.15))])
def test_the_open_rate_at_the_start_is_in_the_biases(rate: float | None, bias: float) -> None:
    for controller in controllers(small(init_open_rate=rate)):
        np.testing.assert_allclose(np.asarray(controller.score_layer.bias), [0, bias] * 2, rtol=1e-6)


def noise(seed: int) -> np.ndarray:
    """The switches of a network whose scores are all zero: the noise decides."""
    model = small(seed=seed)
    for controller in controllers(model):
        controller.score_layer.set_weights([np.zeros((32, 4)), np.zeros(4)])
    outputs = model(images(16), training=True, return_outputs=True)
    return np.concatenate([np.asarray(outputs[name]) for name in model.decision_names], axis=1)


def test_the_seed_is_that_of_the_noise_in_training() -> None:
    first, again, other = noise(3), noise(3), noise(50)
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.3
    # Controllers do not repeat each other, nor does a controller's second switch its first.
    assert len(np.unique(first, axis=1).T) == 8


def test_every_controller_has_a_seed_of_its_own() -> None:
    seeds = [each.seed for each in controllers(small(seed=3))]
    assert len(set(seeds)) == len(seeds)


def test_features_end_before_the_head() -> None:
    model = small()
    maps, vectors = (small(include_top=False, pooling=pooling) for pooling in (None, "avg"))
    body = model.get_weights()[:-2]
    for each in (maps, vectors):
        each.set_weights(body)
        assert not {"head", "logits", "probabilities"} & {layer.name for layer in each.layers}
        assert each.decision_names == model.decision_names
    last = keras.Model(model.input, model.get_layer("stage_4_block_1").output)
    expected = np.asarray(last(images(), training=False))
    assert expected.shape == (2, 2, 2, 128) and np.abs(expected).max() > 0
    np.testing.assert_allclose(np.asarray(maps(images(), training=False)), expected, rtol=1e-4, atol=1e-5)
    pooled = np.asarray(vectors(images(), training=False))
    np.testing.assert_allclose(pooled, expected.mean(axis=(1, 2)), rtol=1e-4, atol=1e-5)
    assert type(maps.default_objective()) is Classification


# Errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target_rate": 0}, r"`target_rate` must be in \(0, 1\]. Received: target_rate=0"),
        ({"target_rate": 1.5}, r"`target_rate` must be in \(0, 1\]. Received: target_rate=1.5"),
        ({"target_rate": "half"}, r"`target_rate` must be in \(0, 1\]. Received: target_rate='half'"),
        ({"flops_total": "all"}, "`flops_total` must be one of 'subblocks', 'network'. Received: flops_total='all'"),
        ({"classes": 7, "use_category": True}, "`categories` must be given where `use_category=True`"),
        ({"classes": 7, "categories": [0, 1]}, "one category for each of 7 classes. Received: 2 categories"),
        ({"categories": "cifar10"}, "Unknown table of categories 'cifar10'.*cifar100"),
        ({"widths": (8, 8, 8)}, r"`widths` must hold 4 integers, one per stage. Received: widths=\(8, 8, 8\)"),
        ({"widths": (8, 8, 8, 0)}, "`widths` must be a positive integer. Received: widths=0"),
        ({"init_open_rate": 1.0}, "`init_open_rate` must be in .* Received: init_open_rate=1.0"),
    ],
)
def test_wrong_values_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(**arguments)


@pytest.mark.parametrize(
    ("name", "own"), [("dmnn50_n2", {"widths", "stem", "sub_blocks"}), ("dmnn_mobilenetv2_n2", {"width"})]
)
def test_an_unknown_argument_lists_the_known(name: str, own: set[str]) -> None:
    with pytest.raises(TypeError, match="Unknown argument 'targetrate'. Did you mean: target_rate") as raised:
        zoo.get(name, targetrate=0.5)
    listed = set(str(raised.value).partition("All arguments of ")[2].partition(": ")[2].rstrip(".").split(", "))
    family = {"target_rate", "force_one", "use_previous", "use_category", "categories", "flops_total", "seed"}
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
    assert listed == family | own | common | {"init_open_rate", "standardize", "width_multiplier"}


def test_a_network_goes_on_training() -> None:
    model = small(classes=5, categories=[0, 0, 1, 1, 2], seed=1)
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), run_eagerly=True)
    scores = [np.asarray(each.score_layer.kernel).copy() for each in controllers(model)]
    for _ in range(2):
        logs = model.train_on_batch(images(4), np.arange(4), return_dict=True)
        assert set(logs) == {"loss", *model.default_objective().names}
        assert np.isfinite(list(logs.values())).all()
    assert np.isfinite(model.predict(images(), verbose=0)).all()
    for controller, before in zip(controllers(model), scores, strict=True):
        assert np.abs(np.asarray(controller.score_layer.kernel) - before).max() > 0
