"""What waits for a switch, and what a decision costs: executed and expected, by hand."""

from itertools import product
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.gated_net import CONTROLLERS, FIXED, MACS, PARTS, gated_model
from tf_routing.cost import Gated, executed_macs, expected_macs, gated_macs, layer_costs, static_macs
from tf_routing.layers import Controller, SplitBlock
from tf_routing.models import RoutedModel


def part(channels: int, filters: int, kernel: int, name: str | None = None) -> keras.Model:
    maps = keras.Input((4, 4, channels))
    return keras.Model(maps, keras.layers.Conv2D(filters, kernel, padding="same", name="conv")(maps), name=name)


def split(x: Any, number: int, state: Any = None, shortcut: Any = "identity") -> tuple[Any, Any]:
    """A block of two sub-blocks, 1x1 and 3x3, and its controller."""
    controller = Controller(2, name=f"controller_{number}")
    switches, state = controller(x) if state is None else controller(x, state)
    parts = [part(x.shape[-1], x.shape[-1], kernel, f"part_{kernel}") for kernel in (1, 3)]
    return SplitBlock(parts, shortcut, name=f"block_{number}")(x, switches), state


def flat(gated: dict[str, np.ndarray]) -> dict[str, list[int]]:
    return {name: macs.tolist() for name, macs in gated.items()}


def test_fixed_and_gated_parts_by_hand() -> None:
    fixed, gated = gated_macs(gated_model())
    assert fixed == FIXED
    assert flat(gated) == MACS and list(gated) == list(MACS)
    assert all(np.issubdtype(macs.dtype, np.integer) for macs in gated.values())
    assert fixed + PARTS == static_macs(gated_model())


def test_rows_say_what_they_wait_for() -> None:
    rows = [row for row in layer_costs(gated_model()) if row.macs]
    always = [row.layer for row in rows if row.gate is None]
    assert [name.partition("/")[0] for name in always] == ["stem", "controller_1", "controller_2", "block_2", "logits"]
    assert sum(row.macs for row in rows if row.layer.startswith("controller")) == CONTROLLERS
    waiting: dict[str, int] = {}
    for row in rows:
        if row.gate is not None:
            waiting[str(row.gate)] = waiting.get(str(row.gate), 0) + row.macs
            assert row.layer.startswith(f"block_{row.gate.decision[-1]}/")
    assert waiting == {f"{name}[{n}]": each for name, macs in MACS.items() for n, each in enumerate(macs)}


def test_the_gate_is_that_of_the_decision_the_block_reads_not_of_its_place() -> None:
    image = keras.Input((4, 4, 3))
    first, _ = Controller(1, name="near")(image)
    second, _ = Controller(1, name="far")(image)
    x = SplitBlock([part(3, 3, 1)], name="one")(image, second)
    x = SplitBlock([part(3, 3, 3)], name="two")(x, first)
    gates = {row.layer.split("/")[0]: row.gate for row in layer_costs(keras.Model(image, x)) if row.gate}
    assert gates == {"one": Gated("far", 0), "two": Gated("near", 0)}
    assert flat(gated_macs(keras.Model(image, x))[1]) == {"far": [16 * 9], "near": [16 * 81]}


def test_two_blocks_may_wait_for_the_same_switches() -> None:
    image = keras.Input((4, 4, 3))
    switches, _ = Controller(1, name="controller")(image)
    x = SplitBlock([part(3, 3, 1)], name="one")(image, switches)
    model = keras.Model(image, SplitBlock([part(3, 3, 3)], name="two")(x, switches))
    assert flat(gated_macs(model)[1]) == {"controller": [16 * 9 + 16 * 81]}


def test_a_shortcut_with_a_kernel_always_runs() -> None:
    image = keras.Input((4, 4, 3))
    model = keras.Model(image, split(image, 1, shortcut=part(3, 3, 1, "shortcut"))[0])
    rows = {row.layer: row for row in layer_costs(model)}
    assert rows["block_1/shortcut/conv"].gate is None
    assert rows["block_1/part_3/conv"].gate == Gated("controller_1", 1)
    controller = 32 * (3 + 4)
    assert gated_macs(model)[0] == controller + 16 * 9


def test_gates_inside_a_model_are_named_with_it() -> None:
    """As `Ensemble.routes` names decisions; two members' gates must not be added up."""
    image = keras.Input((4, 4, 3))
    bodies = [keras.Model(image, split(image, 1)[0], name=f"member_{n}") for n in (1, 2)]
    whole = keras.Input((4, 4, 3))
    model = keras.Model(whole, keras.layers.Average()([body(whole) for body in bodies]))
    rows = {row.layer: row for row in layer_costs(model)}
    assert rows["member_2/block_1/part_3/conv"].gate == Gated("member_2/controller_1", 1)
    assert flat(gated_macs(model)[1]) == {f"member_{n}/controller_1": [16 * 9, 16 * 81] for n in (1, 2)}
    assert gated_macs(model)[0] == 2 * 32 * (3 + 4)


def test_gates_of_multi_path_nets_govern_no_layer() -> None:
    from tf_routing import zoo

    model = zoo.get("basecnn_2cc", width_multiplier=0.125, input_shape=(16, 16, 3))
    fixed, gated = gated_macs(model)
    assert gated == {} and fixed == static_macs(model)


def test_a_controller_without_a_state_to_count_costs_less() -> None:
    image = keras.Input((4, 4, 3))
    _, state = split(image, 1)
    with_state = 32 * (3 + 4) + 32 * 32
    for use_previous, expected in ((True, with_state), (False, with_state - 32 * 32)):
        controller = Controller(2, use_previous=use_previous, name="asked")
        switches, _ = controller(image, state)
        rows = {row.layer: row.macs for row in layer_costs(keras.Model(image, switches))}
        assert rows["asked"] == expected


def test_executed_macs_of_every_pattern_of_switches() -> None:
    model = gated_model()
    patterns = np.array(list(product((0, 1), repeat=5)))
    decisions = {"controller_1": patterns[:, :2], "controller_2": patterns[:, 2:]}
    by_hand = FIXED + patterns @ np.concatenate(list(MACS.values()))
    costs = executed_macs(model, decisions, len(patterns))
    np.testing.assert_array_equal(costs, by_hand)
    assert (costs.min(), costs.max()) == (FIXED, static_macs(model))


def test_switches_a_hair_off_are_rounded() -> None:
    model = gated_model()
    nearly = {"controller_1": np.array([[0.9999999, 1e-7]], "float32"), "controller_2": np.ones((1, 3), "float32")}
    assert executed_macs(model, nearly, 1).tolist() == [FIXED + MACS["controller_1"][0] + sum(MACS["controller_2"])]


def test_executed_macs_are_exact_where_float32_is_not() -> None:
    class Large(keras.layers.Layer):
        """A layer that says a cost of its own, beyond what float32 and 32 bits hold."""

        def macs(self, input_shape: Any) -> int:
            return 2**33 + 1

        def call(self, inputs: Any) -> Any:
            return inputs

    image, maps = keras.Input((4, 4, 3)), keras.Input((4, 4, 3))
    switches, _ = Controller(1, name="controller")(image)
    block = SplitBlock([keras.Model(maps, Large()(maps))])
    model = RoutedModel(image, block(image, switches))
    costs = executed_macs(model, {"controller": np.array([[1.0], [0.0]], "float32")}, 2)
    assert (costs[0] - costs[1]).item() == 2**33 + 1


def test_expected_macs_of_probabilities() -> None:
    rng = np.random.default_rng(4)
    probabilities = {name: rng.uniform(size=(7, len(macs))).astype("float32") for name, macs in MACS.items()}
    by_hand = sum(probabilities[name] @ np.array(macs) for name, macs in MACS.items())
    tensors = {name: keras.ops.convert_to_tensor(each) for name, each in probabilities.items()}
    np.testing.assert_allclose(np.asarray(expected_macs(MACS, tensors)), by_hand, rtol=1e-5)
    one = expected_macs(MACS, {name: each[0] for name, each in tensors.items()})
    assert one.shape == () and float(one) == pytest.approx(by_hand[0], rel=1e-5)


def test_the_slope_of_the_expected_cost_is_what_a_part_costs() -> None:
    tensors = [tf.fill((2, len(macs)), 0.5) for macs in MACS.values()]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        total = tf.reduce_sum(expected_macs(MACS, dict(zip(MACS, tensors, strict=True))))
    for gradient, macs in zip(tape.gradient(total, tensors), MACS.values(), strict=True):
        np.testing.assert_allclose(gradient, [macs] * 2)
