"""A graph shows every call of a layer, in order of depth, whoever holds the layers."""

import keras

from tf_routing.graph import layer_calls


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
