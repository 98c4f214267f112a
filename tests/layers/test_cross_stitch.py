"""Cross-stitch units mix by scalars that do not look at the input."""

from typing import Any

import numpy as np
import pytest

from tf_routing.layers import CrossStitch


def random_inputs(m: int, shape: tuple[int, ...] = (2, 3, 4, 5)) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    return [rng.normal(size=shape) for _ in range(m)]


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 5)])
@pytest.mark.parametrize(("m", "n"), [(2, 2), (3, 2), (1, 2)])
@pytest.mark.parametrize("per_channel", [False, True])
def test_values_are_weighted_sums(shape: tuple[int, ...], m: int, n: int, per_channel: bool) -> None:
    inputs, layer = random_inputs(m, shape), CrossStitch(n, per_channel=per_channel, dtype="float64")
    layer.build([(None, *shape[1:])] * m)
    alpha = np.random.default_rng(4).normal(size=(m, n, 5) if per_channel else (m, n))
    layer.alpha.assign(alpha)
    expected = [sum(alpha[i, j] * inputs[i] for i in range(m)) for j in range(n)]
    outputs = [np.asarray(each) for each in layer(inputs)]
    np.testing.assert_allclose(outputs, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("m", "n", "expected"),
    [
        (2, 2, [[0.9, 0.1], [0.1, 0.9]]),
        (3, 3, [[0.9, 0.05, 0.05], [0.05, 0.9, 0.05], [0.05, 0.05, 0.9]]),
    ],
)
def test_initial_scalars(m: int, n: int, expected: list[list[float]]) -> None:
    layer = CrossStitch(n, dtype="float64")
    layer.build([(None, 5)] * m)
    np.testing.assert_allclose(np.asarray(layer.alpha), expected, rtol=1e-12)


def test_initial_scalars_per_channel_are_the_same_in_each() -> None:
    layer = CrossStitch(2, per_channel=True, dtype="float64")
    layer.build([(None, 4, 4, 3)] * 2)
    np.testing.assert_allclose(np.asarray(layer.alpha), np.repeat([[[0.9], [0.1]], [[0.1], [0.9]]], 3, axis=2))


def test_scalars_are_trained() -> None:
    layer = CrossStitch(2)
    layer.build([(None, 5)] * 2)
    assert [weight.path.split("/")[-1] for weight in layer.trainable_weights] == ["alpha"]
    assert layer.count_params() == 4


@pytest.mark.parametrize("value", [0, -1, 2.0, None])
def test_paths_that_are_no_positive_integer_are_named(value: Any) -> None:
    with pytest.raises(ValueError, match=f"`paths` must be a positive integer. Received: paths={value!r}"):
        CrossStitch(value)


def test_inputs_of_different_shapes_are_shown() -> None:
    with pytest.raises(ValueError, match=r"CrossStitch must have the same shape.*\(2, 3\), \(2, 4\)"):
        CrossStitch(2)([np.ones((2, 3)), np.ones((2, 4))])


def test_inputs_of_rank_3_are_shown() -> None:
    with pytest.raises(ValueError, match=r"CrossStitch takes tensors .* Received shapes: \[\(2, 4, 3\)\]"):
        CrossStitch(2)(np.ones((2, 4, 3)))


@pytest.mark.parametrize("count", [1, 3])
def test_another_number_of_inputs_than_built_for_is_named(count: int) -> None:
    layer = CrossStitch(2)
    layer.build([(None, 5)] * 2)
    with pytest.raises(ValueError, match=f"was built for 2 inputs. Received: {count} tensors"):
        layer([np.ones((2, 5), "float32")] * count)
