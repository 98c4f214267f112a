"""A graph shows every call of a layer, in order of depth, whoever holds the layers, and which layers only decide."""

from typing import Any

import keras
import numpy as np
import pytest

from tests.gated_net import gated_model
from tests.skip_net import skip_model
from tf_routing import layers, zoo
from tf_routing.core.graph import call_arguments, deciding_layers, layer_calls, run_calls, trace_back


def names(model: keras.Model) -> list[str]:
    return [call.operation.name for call in layer_calls(model)]


def test_a_layer_that_is_called_twice_shows_twice_with_its_own_tensors() -> None:
    small, large = keras.Input((4, 4, 3), name="small"), keras.Input((8, 8, 3), name="large")
    shared = keras.layers.Conv2D(2, 1, name="shared")
    calls = layer_calls(keras.Model([small, large], [shared(small), shared(large)]))
    sides = [call.output_tensors[0].shape[1] for call in calls if call.operation is shared]
    assert sorted(sides) == [4, 8]
    assert len(calls) == 4


def test_calls_outside_the_model_are_not_its_own() -> None:
    image = keras.Input((4,), name="image")
    shared = keras.layers.Dense(4, name="shared")
    first = shared(image)
    shared(shared(first))
    assert names(keras.Model(image, first)) == ["image", "shared"]


def test_every_layer_comes_after_what_it_reads() -> None:
    image = keras.Input((4,), name="image")
    x = long = keras.layers.Dense(4, name="first")(image)
    for number in range(3):
        long = keras.layers.Dense(4, name=f"long_{number}")(long)
    model = keras.Model(image, keras.layers.Add(name="sum")([long, x, image]))
    assert names(model) == ["image", "first", "long_0", "long_1", "long_2", "sum"]


def test_a_sequential_shows_its_layers() -> None:
    stack = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="one"), keras.layers.Dense(2, name="two")])
    assert names(stack)[1:] == ["one", "two"]
    assert [call.output_tensors[0].shape for call in layer_calls(stack)] == [(None, 4), (None, 3), (None, 2)]


def test_a_model_inside_a_model_is_one_call() -> None:
    inner_image, image = keras.Input((4,)), keras.Input((4,), name="image")
    inner = keras.Model(inner_image, keras.layers.Dense(4, name="hidden")(inner_image), name="inner")
    assert names(keras.Model(image, inner(inner(image)))) == ["image", "inner", "inner"]
    assert names(inner)[1:] == ["hidden"]


def test_operations_that_are_no_layers_show_too() -> None:
    image = keras.Input((4,), name="image")
    calls = layer_calls(keras.Model(image, keras.ops.add(image, 1.0)))
    assert [isinstance(call.operation, keras.layers.Layer) for call in calls] == [True, False]


def test_arguments_of_a_call_are_filled_in_wherever_its_tensors_are() -> None:
    first, second = keras.Input((4,), name="first"), keras.Input((4,), name="second")
    joined = keras.layers.Concatenate(name="joined")([first, second])
    scaled = keras.layers.Dropout(0.5, name="dropped")(joined, training=True)
    calls = {call.operation.name: call for call in layer_calls(keras.Model([first, second], scaled))}
    assert call_arguments(calls["joined"], {first: 1, second: 2}) == (([1, 2],), {})
    assert call_arguments(calls["dropped"], {joined: 3}) == ((3,), {"training": True})
    with pytest.raises(KeyError):
        call_arguments(calls["joined"], {first: 1})


def test_a_model_run_call_by_call_answers_as_it_does() -> None:
    image, cost = keras.Input((4,), name="image"), keras.Input((4,), name="cost")
    shared = keras.layers.Dense(4, name="shared")
    both = keras.layers.Add(name="both")([shared(image), shared(cost)])
    halves = keras.ops.split(both, 2, axis=-1)
    model = keras.Model({"image": image, "cost": cost}, {"left": halves[0], "rest": [halves[1], both]})
    x = {name: np.random.default_rng(0).normal(size=(3, 4)).astype("float32") for name in ("cost", "image")}
    seen: list[Any] = []

    def run(layer: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(layer)
        return layer(*args, **kwargs)

    # The order of a dict's keys is that of Keras, for inputs and outputs alike.
    given, expected = {name: keras.ops.convert_to_tensor(x[name]) for name in model.input}, model(x)
    found = run_calls(model, given, run)
    assert list(found) == list(expected) and len(found["rest"]) == 2
    keras.tree.map_structure(np.testing.assert_array_equal, found, expected)
    assert [layer for layer in seen if layer is shared] == [shared, shared] and len(seen) == 4


def test_a_sequential_runs_call_by_call() -> None:
    stack = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.ReLU()])
    x = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    np.testing.assert_array_equal(run_calls(stack, x, lambda layer, *args: layer(*args)), stack(x))


def deciding(model: keras.Model) -> list[str]:
    return [layer.name for layer in deciding_layers(model)]


@pytest.mark.parametrize("router", ["linear", "conv"])
def test_routers_decide(router: str) -> None:
    assert deciding(skip_model(router=router)) == ["router_1", "router_2", "router_3"]


def test_what_only_routers_read_decides_too() -> None:
    own = deciding(skip_model(router="recurrent"))
    summaries = [f"router_{number}_{part}" for number in (1, 2, 3) for part in ("means", "features")]
    assert sorted(own) == sorted([*summaries, "router_memory", "router_1", "router_2", "router_3"])
    for number in (1, 2, 3):
        parts = [f"router_{number}_means", f"router_{number}_features", f"router_{number}"]
        assert [name for name in own if name in parts] == parts


def test_controllers_decide() -> None:
    assert deciding(gated_model()) == ["controller_1", "controller_2"]


def test_a_rule_decides_with_the_routers_that_it_tells() -> None:
    image = keras.Input((4, 4, 3), name="image")
    kept = layers.KeptBlocks("first", [2], keep=1, name="kept_blocks")(image)
    x = keras.layers.Conv2D(3, 1, name="stem")(image)
    for number, switches in enumerate(kept, 1):
        decision = layers.SkipRouter(decision="given", name=f"router_{number}")(x, switches)
        maps = keras.Input((4, 4, 3))
        branch = keras.Model(maps, keras.layers.Conv2D(3, 1)(maps))
        x = layers.SkipBlock(branch, name=f"block_{number}")(x, decision)
    assert deciding(keras.Model(image, x)) == ["kept_blocks", "router_1", "router_2"]


def test_what_others_read_too_does_more_than_decide() -> None:
    image = keras.Input((4, 4, 3), name="image")
    means = keras.layers.GlobalAveragePooling2D(name="means")(image)
    shared, own = (keras.layers.Dense(2, name=name)(means) for name in ("shared", "own"))
    first, second = (layers.SkipRouter("recurrent", name=f"router_{n}")(x) for n, x in ((1, shared), (2, own)))
    model = keras.Model(image, keras.layers.Concatenate(name="joined")([first, second, shared]))
    assert set(deciding(model)) == {"own", "router_1", "router_2"}


def test_layers_that_decide_and_mix_do_more_than_decide() -> None:
    assert deciding(zoo.get("basecnn_2cc", width_multiplier=0.125)) == []
    assert deciding(zoo.get("basecnn", width_multiplier=0.125)) == []


def test_a_trace_back_ends_at_what_is_there_and_passes_what_is_not_needed() -> None:
    image = keras.Input((4,), name="image")
    first, second, unused = (keras.layers.Dense(4, name=f"dense_{number}")(image) for number in range(3))
    total = keras.layers.Add(name="total")([first, second])
    last = keras.layers.Dense(2, name="last")(total)
    made, read = trace_back([last], known=[image, first])
    # The image is read for the second summand alone.
    assert (set(made), set(read)) == ({last, total, second}, {first, image})
    assert unused not in made
    made, read = trace_back([last, total], known=[total, first])
    assert (list(made), list(read)) == ([last], [total])


def test_a_trace_back_knows_all_that_a_call_makes() -> None:
    image = keras.Input((4, 4, 3), name="image")
    decision, scores, *reaches = layers.Junction(2, name="junction")(image)
    made, read = trace_back([scores], known=[image])
    assert list(made) == [decision, scores, *reaches] and list(read) == [image]
