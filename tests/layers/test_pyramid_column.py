"""A column computes `y_k = b_k + H_k * x_k + V_k * pool(y_k-1)`, then normalises and rectifies what is read."""

from itertools import pairwise
from typing import Any

import keras
import numpy as np
import pytest

from tests import numpy_reference as reference
from tf_routing.layers import PyramidColumn

FILTERS = [3, 4, 5]
SHAPES = ((6, 8, 8, 2), (6, 4, 4, 3), (6, 2, 2, 2))
EPSILON = 1e-6
# What a column of the paper's networks costs and holds, and its channels before and after, finest scale first.
PAPER = [
    ((3, 3, 3, 3), (16, 16, 16, 16), 1_361_664, 8_832),
    ((16, 16, 16, 16), (16, 16, 16, 16), 3_907_584, 16_320),
    ((16, 16, 16), (32, 32, 32), 2_285_568, 32_544),
    ((32, 32, 32), (32, 32, 32), 3_833_856, 46_368),
    ((32, 32), (64, 64), 2_064_384, 74_112),
    ((64, 64), (64, 64), 3_538_944, 110_976),
    ((64,), (128,), 1_179_648, 74_112),
    ((128,), (128,), 2_359_296, 147_840),
]


def random_column(**arguments: Any) -> tuple[PyramidColumn, list[np.ndarray]]:
    rng = np.random.default_rng(4)
    column = PyramidColumn(FILTERS, **{"epsilon": EPSILON, "dtype": "float64", **arguments})
    column.build([(None, *shape[1:]) for shape in SHAPES])
    reference.randomise(column, rng)
    return column, [rng.normal(size=shape) for shape in SHAPES]


def pooled(maps: np.ndarray) -> np.ndarray:
    count, height, width, channels = maps.shape
    return maps.reshape(count, height // 2, 2, width // 2, 2, channels).max(axis=(2, 4))


def linear(column: PyramidColumn, x: list[np.ndarray]) -> list[np.ndarray]:
    """Returns y_k of all scales, before normalisation."""
    kernel, bias = column.across[0].get_weights()
    y = [reference.conv_same(x[0], kernel) + bias]
    for across, down, maps in zip(column.across[1:], column.down, x[1:], strict=True):
        kernel, bias = across.get_weights()
        y.append(bias + reference.conv_same(maps, kernel) + reference.conv_same(pooled(y[-1]), down.get_weights()[0]))
    return y


def expected(column: PyramidColumn, x: list[np.ndarray], training: bool) -> list[np.ndarray]:
    norms = [reference.NormWeights(*each.get_weights()) for each in column.normalizations]
    read = linear(column, x)[-len(norms) :]
    return [
        reference.relu(reference.batch_norm(y, norm, EPSILON, training)) for y, norm in zip(read, norms, strict=True)
    ]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("outputs", [None, 2, 1])
def test_values_are_those_of_the_equations(outputs: int | None, training: bool) -> None:
    column, x = random_column(outputs=outputs)
    values = expected(column, x, training)
    assert len(values) == (outputs or 3)
    assert all((each > 0).any() and (each == 0).any() for each in values)
    for found, value in zip(column(x, training=training), values, strict=True):
        np.testing.assert_allclose(np.asarray(found), value, rtol=1e-8, atol=1e-9)


def test_the_map_that_is_pooled_is_neither_normalised_nor_rectified() -> None:
    column, x = random_column()
    usual = [np.asarray(each) for each in column(x, training=False)]
    # Another normalisation of the finest scale changes what is read there, and nothing below.
    column.normalizations[0].gamma.assign(np.full(3, 9.0))
    changed = [np.asarray(each) for each in column(x, training=False)]
    assert np.abs(changed[0] - usual[0]).max() > 0.1
    for before, after in zip(usual[1:], changed[1:], strict=True):
        np.testing.assert_array_equal(before, after)
    # Below zero before the rectifier there too, so that pooling after it would give other maps.
    assert (pooled(linear(column, x)[0]) < 0).any()


def test_scales_that_nobody_reads_have_no_normalisation() -> None:
    column, _ = random_column(outputs=1)
    assert [each.name for each in column.normalizations] == ["normalization_3"]
    assert len(column.across) == 3 and len(column.down) == 2
    assert all(down.bias is None for down in column.down)


def test_one_scale_is_a_convolution_given_alone_or_in_a_list() -> None:
    column = PyramidColumn([5], dtype="float64")
    x = np.random.default_rng(0).normal(size=(3, 4, 4, 2))
    alone, listed = column(x), column([x])
    np.testing.assert_array_equal(np.asarray(alone[0]), np.asarray(listed[0]))
    np.testing.assert_allclose(np.asarray(alone[0]), expected(column, [x], training=False)[0], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(("before", "channels", "macs", "parameters"), PAPER)
def test_macs_and_parameters_of_the_papers_columns(
    before: tuple[int, ...], channels: tuple[int, ...], macs: int, parameters: int
) -> None:
    sides = (32, 16, 8, 4)[-len(channels) :]
    shapes = [(None, side, side, count) for side, count in zip(sides, before, strict=True)]
    column = PyramidColumn(list(channels))
    column.build(shapes)
    assert column.macs(shapes) == macs
    assert sum(np.prod(weight.shape) for weight in column.trainable_weights) == parameters


def test_moving_statistics_follow_the_batch_at_the_given_rate() -> None:
    column, x = random_column(momentum=0.9)
    before = [np.asarray(each.moving_mean) for each in column.normalizations]
    column(x, training=True)
    for norm, old, y in zip(column.normalizations, before, linear(column, x), strict=True):
        np.testing.assert_allclose(
            np.asarray(norm.moving_mean), 0.9 * old + 0.1 * y.mean(axis=(0, 1, 2)), rtol=1e-6, atol=1e-7
        )


def test_kernels_are_drawn_by_the_number_of_inputs_and_unlike_each_other() -> None:
    column = PyramidColumn([64, 64, 64], seed=3)
    column.build([(None, 8, 8, 64), (None, 4, 4, 64), (None, 2, 2, 64)])
    kernels = [np.asarray(each.kernel) for each in (*column.across, *column.down)]
    for kernel in kernels:
        assert kernel.std() == pytest.approx((9 * 64) ** -0.5, rel=0.02)
        # Untruncated.
        assert np.abs(kernel).max() > 3 * (9 * 64) ** -0.5
    assert all(np.abs(one - other).max() > 0.1 for one, other in pairwise(kernels))
    again = PyramidColumn([64, 64, 64], seed=3)
    again.build([(None, 8, 8, 64), (None, 4, 4, 64), (None, 2, 2, 64)])
    np.testing.assert_array_equal(np.asarray(again.down[1].kernel), kernels[-1])


def test_the_parts_have_the_columns_precision() -> None:
    column, _ = random_column()
    parts = [*column.across, *column.down, *column.normalizations]
    assert {keras.backend.standardize_dtype(part.compute_dtype) for part in parts} == {"float64"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filters": [4, 0]}, "`filters` must be a positive integer. Received: filters=0"),
        ({"filters": [4, 2.5]}, "`filters` must be a positive integer. Received: filters=2.5"),
        ({"filters": [4, 4], "outputs": 0}, "`outputs` must be a positive integer. Received: outputs=0"),
        ({"filters": [4, 4], "outputs": 3}, "`outputs` must be at most 2, the scales there are. Received: outputs=3"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PyramidColumn(**arguments)


def test_another_number_of_tensors_is_named() -> None:
    with pytest.raises(ValueError, match="PyramidColumn of 2 scales takes as many tensors. Received: 3"):
        PyramidColumn([4, 4]).build([(None, 8, 8, 3), (None, 4, 4, 3), (None, 2, 2, 3)])
