"""A rule keeps exactly so many blocks for every sample, whatever the image shows."""

import itertools
import math
from typing import Any

import keras
import numpy as np
import pytest

from tf_routing.layers import KeptBlocks

RULES = ["first", "distributed", "random"]
STAGES = (3, 1, 4)


def switches(layer: KeptBlocks, count: int = 7) -> np.ndarray:
    """Returns the switches of a layer for some images, `(count, blocks)`."""
    images = np.random.default_rng(0).normal(size=(count, 4, 4, 2)).astype("float32")
    each = [np.asarray(keras.ops.cast(part, "float32")) for part in layer(images)]
    assert [part.shape for part in each] == [(count, 1)] * layer.blocks
    return np.concatenate(each, axis=1)


@pytest.mark.parametrize("keep", range(1, 9))
@pytest.mark.parametrize("rule", RULES)
def test_every_sample_keeps_exactly_so_many(rule: str, keep: int) -> None:
    kept = switches(KeptBlocks(rule, STAGES, keep, seed=1), 50)
    assert set(np.unique(kept)) <= {0.0, 1.0}
    np.testing.assert_array_equal(kept.sum(axis=1), keep)


@pytest.mark.parametrize("keep", [1, 4, 8])
def test_the_first_are_the_first(keep: int) -> None:
    np.testing.assert_array_equal(switches(KeptBlocks("first", STAGES, keep)), [[1] * keep + [0] * (8 - keep)] * 7)


@pytest.mark.parametrize(
    ("stages", "keep", "counts"),
    [
        # Those of the paper's table.
        ((5, 5, 5), 12, (4, 4, 4)),
        ((18, 18, 18), 16, (6, 5, 5)),
        ((5, 5, 5), 14, (5, 5, 4)),
        ((3, 4, 6, 3), 9, (3, 2, 2, 2)),
        # What a full stage cannot take goes to the others.
        ((1, 4, 2), 6, (1, 3, 2)),
        ((2, 2, 9), 10, (2, 2, 6)),
        ((1, 9, 1), 8, (1, 6, 1)),
        ((3, 4, 6, 3), 16, (3, 4, 6, 3)),
        ((1, 1, 1), 1, (1, 0, 0)),
        ((7,), 3, (3,)),
    ],
)
def test_distributed_blocks_are_the_first_of_each_stage(
    stages: tuple[int, ...], keep: int, counts: tuple[int, ...]
) -> None:
    expected = [float(n < kept) for size, kept in zip(stages, counts, strict=True) for n in range(size)]
    np.testing.assert_array_equal(switches(KeptBlocks("distributed", stages, keep)), [expected] * 7)


def test_random_sets_of_blocks_are_all_as_likely() -> None:
    count, sets = 7000, list(itertools.combinations(range(7), 3))
    kept = switches(KeptBlocks("random", (3, 4), 3, seed=2), count)
    found = [tuple(np.flatnonzero(row)) for row in kept]
    frequencies = np.array([found.count(each) for each in sets])
    # Each set of 35, so each block and each pair too.
    p = 1 / len(sets)
    assert frequencies.sum() == count
    assert np.abs(frequencies - count * p).max() < 5 * math.sqrt(count * p * (1 - p))
    assert np.abs(kept.mean(axis=0) - 3 / 7).max() < 5 * math.sqrt(12 / 49 / count)


def test_random_blocks_differ_between_samples_and_calls_and_the_seed_repeats_them() -> None:
    one, same, other = (KeptBlocks("random", (8, 8), 5, seed=seed) for seed in (1, 1, 2))
    draws = [switches(one, 30) for _ in range(2)]
    assert len(np.unique(draws[0], axis=0)) > 25
    assert (draws[0] != draws[1]).any(axis=1).mean() > 0.9
    for draw in draws:
        np.testing.assert_array_equal(switches(same, 30), draw)
    assert (switches(other, 30) != draws[0]).any(axis=1).mean() > 0.9


@pytest.mark.parametrize("rule", RULES)
def test_it_has_no_weights_and_takes_batches_of_any_size(rule: str) -> None:
    layer = KeptBlocks(rule, STAGES, 4, seed=1)
    assert [switches(layer, count).shape for count in (0, 1, 9)] == [(0, 8), (1, 8), (9, 8)]
    assert layer.weights == [] and layer.count_params() == 0


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float64"])
def test_switches_have_the_type_that_blocks_compute_in(rule: str, policy: str) -> None:
    layer = KeptBlocks(rule, STAGES, 4, dtype=policy)
    symbols = layer(keras.Input((4, 4, 3)))
    assert [symbol.shape for symbol in symbols] == [(None, 1)] * 8
    for tensor in (*symbols, *layer(np.zeros((2, 3), "float32"))):
        assert keras.backend.standardize_dtype(tensor.dtype) == policy.removeprefix("mixed_")
    np.testing.assert_array_equal(switches(layer).sum(axis=1), 4)


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_comes_back_from_its_configuration(rule: str) -> None:
    layer = KeptBlocks(rule, STAGES, 4, seed=3, name="kept_blocks_7")
    again = KeptBlocks.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    np.testing.assert_array_equal(switches(again), switches(layer))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rule": "last"}, "`rule` must be one of 'first', 'random', 'distributed'. Received: rule='last'"),
        ({"keep": 0}, "`keep` must be a positive integer. Received: keep=0"),
        ({"keep": True}, "`keep` must be a positive integer. Received: keep=True"),
        ({"keep": 9}, "`keep` must be at most 8, the blocks there are. Received: keep=9"),
        ({"stage_blocks": (3, 0)}, "`stage_blocks` must be a positive integer. Received: stage_blocks=0"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        KeptBlocks(**{"rule": "first", "stage_blocks": STAGES, "keep": 4, **arguments})
