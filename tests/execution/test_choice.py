"""How a block and a batch run is the fastest way measured under the nearest conditions, unless it is set."""

import json
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.execution.split_nets import CHANNELS, CLASSES, SIDE, images, masked, mixed_net, relative, split_net
from tf_routing import execution
from tf_routing.execution import Run, Settings, choice, run
from tf_routing.execution.choice import Choice, batch_method, best, block_method
from tf_routing.layers import Controller, SplitBlock
from tf_routing.models import RoutedModel

mixed = cache(mixed_net)

KEYS = ("avx512", "sub_blocks", "image_size", "batch", "method", "batch_method", "any_batch", "ratio")
ROWS: list[tuple[Any, ...]] = [
    (False, 2, 32, 1, "switch", "whole", False, 0.5),
    (False, 2, 32, 1, "rows", "whole", True, 0.7),
    (False, 2, 32, 8, "patterns", "whole", True, 0.6),
    (False, 2, 32, 8, "rows", "chunks", True, 0.8),
    (False, 2, 32, 8, "switch", "images", False, 0.55),
    (False, 2, 32, 32, "patterns", "whole", True, 0.9),
    (False, 2, 32, 32, "rows", "chunks", True, 0.65),
    (False, 2, 224, 8, "rows", "whole", True, 0.5),
    (False, 4, 32, 8, "rows", "whole", True, 0.4),
    (False, 4, 32, 8, "patterns", "whole", True, 0.45),
    (True, 2, 224, 8, "patterns", "chunks", True, 0.9),
]


@pytest.fixture
def _rows(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(choice, "_measured", lambda: [dict(zip(KEYS, row, strict=True)) for row in ROWS])
    monkeypatch.setattr(choice, "has_avx512", lambda: False)
    best.cache_clear()
    yield
    best.cache_clear()


@pytest.mark.usefixtures("_rows")
@pytest.mark.parametrize(
    ("sub_blocks", "image_size", "batch", "avx512", "expected"),
    [
        (2, 32, 1, False, Choice("switch", "whole")),
        (2, 32, 8, False, Choice("switch", "images")),
        (2, 32, 32, False, Choice("rows", "chunks")),
        (2, 32, 5, False, Choice("switch", "images")),  # nearest by ratio: 8, not 1
        (2, 32, 3, False, Choice("switch", "whole")),  # (3 + 1) / (1 + 1) is less than (8 + 1) / (3 + 1)
        (2, 32, 17, False, Choice("rows", "chunks")),  # (32 + 1) / (17 + 1) is less than (17 + 1) / (8 + 1)
        (2, 96, 8, False, Choice("rows", "whole")),  # 224 is nearer by ratio, 32 by difference
        (2, 32, 1000, False, Choice("rows", "chunks")),
        (2, 160, 8, False, Choice("rows", "whole")),
        (2, 224, 1, False, Choice("rows", "whole")),  # only 8 was measured for these images
        (1, 16, 1, False, Choice("switch", "whole")),
        (4, 224, 1, False, Choice("rows", "whole")),
        (16, 32, 8, False, Choice("rows", "whole")),
        (2, 32, 8, True, Choice("patterns", "chunks")),
        (4, 32, 1, True, Choice("patterns", "chunks")),  # the processor counts first
        (2, 32, 8, None, Choice("switch", "images")),
    ],
)
def test_the_lowest_ratio_of_the_nearest_rows_wins(
    sub_blocks: int, image_size: int, batch: int, avx512: bool | None, expected: Choice
) -> None:
    assert best(sub_blocks, image_size, batch, avx512) == expected


@pytest.mark.usefixtures("_rows")
def test_a_batch_of_any_size_takes_the_best_mean_of_what_can_run_it() -> None:
    # patterns/whole (0.6 + 0.9) / 2, rows/chunks (0.8 + 0.65) / 2, rows/whole 0.7; a switch needs a known size.
    assert best(2, 32, None, False) == Choice("rows", "whole")
    assert best(4, 32, None, False) == Choice("rows", "whole")


def block(sub_blocks: int) -> Any:
    return split_net(sub_blocks).get_layer("block_1")


@pytest.mark.usefixtures("_rows")
def test_a_model_goes_by_its_widest_block() -> None:
    assert batch_method([block(2)], 32, 8) == "images"
    assert batch_method([block(2), block(4)], 32, 8) == "whole"
    assert batch_method([block(2)], 224, 8) == "whole"
    assert batch_method([], 32, 8) == "whole"


@pytest.mark.usefixtures("_rows")
def test_a_block_runs_as_measured_or_as_set() -> None:
    layer, batches = block(2), (1, 32, None)
    own = Run(image_size=32)
    assert [own.method_of(layer, batch) for batch in batches] == ["switch", "rows", "rows"]
    layer.method = "patterns"
    assert [own.method_of(layer, batch) for batch in batches] == ["patterns"] * 3
    # What the model is set to goes before what its block is.
    own = Run(Settings(method="rows"), image_size=32)
    assert [own.method_of(layer, batch) for batch in batches] == ["rows"] * 3


@pytest.mark.usefixtures("_rows")
@pytest.mark.parametrize("batch", [0, 2, 3, 8])
def test_what_won_for_one_image_is_not_chosen_for_several(batch: int) -> None:
    # For 0, 2 and 3 images those of one are nearest, and eight ran fastest image by image.
    assert best(2, 32, batch, False).method == "switch"
    assert block_method("auto", 2, 32, batch) == "rows"


@pytest.mark.usefixtures("_rows")
@pytest.mark.parametrize(
    ("count", "image_size", "expected"),
    [(1, 32, ["switch"]), (9, 32, ["switch"] * 9), (3, 32, ["rows"]), (32, 32, ["rows"] * 4), (8, 224, ["rows"])],
)
def test_auto_runs_a_batch_the_way_that_was_chosen(
    count: int, image_size: int, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def recorded(*arguments: Any) -> str:
        seen.append(block_method(*arguments))
        return seen[-1]

    model = mixed_net(2, "projection")
    model.executor.image_size = image_size
    monkeypatch.setattr(run, "block_method", recorded)
    assert relative(model(images(count)), masked(model, images(count))) <= 1e-5
    assert seen == [each for each in expected for _ in range(2)]


@pytest.mark.parametrize("count", range(18))
def test_auto_equals_masked_whatever_the_batch(count: int) -> None:
    model = mixed(2, "projection")
    assert relative(model(images(count)), masked(model, images(count))) <= 1e-5


def test_a_model_tells_its_blocks_how_large_its_images_are() -> None:
    model = split_net(2)
    for setting in execution.EXECUTIONS:
        model.execution = setting
        assert model.executor.begin_run().image_size == SIDE
    open_size = keras.Input((None, None, CHANNELS))
    layer = SplitBlock([keras.Sequential([keras.Input((None, None, CHANNELS)), keras.layers.ReLU()])])
    switches = Controller(1)(open_size)[0]
    pooled = keras.layers.GlobalAveragePooling2D()(layer(open_size, switches))
    assert RoutedModel(open_size, pooled).executor.begin_run().image_size == 224


def test_a_switch_takes_one_image() -> None:
    model = split_net(2)
    model.set_execution("sparse", "switch")
    with pytest.raises(ValueError, match="`method='switch'` runs batches of one; this one has 3 images"):
        model(images(3))
    with pytest.raises(ValueError, match="`method='switch'` runs batches of one; this one has any number of images"):
        tf.function(model, [tf.TensorSpec((None, 8, 8, 3))])(images(1))
    assert model(images(1)).shape == (1, CLASSES)


def test_images_side_by_side_need_a_known_number() -> None:
    model = split_net(2)
    model.set_execution("sparse", batch_method="images")
    with pytest.raises(ValueError, match="`batch_method='images'` needs a batch of known size"):
        tf.function(model, [tf.TensorSpec((None, 8, 8, 3))])(images(2))
    assert model(images(2)).shape == (2, CLASSES)


@pytest.mark.parametrize(
    ("argument", "accepted"),
    [("method", execution.METHODS), ("batch_method", execution.BATCH_METHODS), ("execution_", execution.EXECUTIONS)],
)
def test_an_unknown_way_lists_those_there_are(argument: str, accepted: tuple[str, ...]) -> None:
    model, name = split_net(2), argument.rstrip("_")
    listed = ", ".join(map(repr, accepted))
    with pytest.raises(ValueError, match=f"`{name}` must be one of {listed}. Received: {name}='quick'"):
        model.set_execution(**{"execution_": "sparse", argument: "quick"})
    assert model.executor.settings == Settings("auto", "auto", "auto")


def test_the_measurements_are_well_formed() -> None:
    rows = json.loads(resources.files("tf_routing.execution").joinpath("measured.json").read_text("utf-8"))["rows"]
    for row in rows:
        assert set(KEYS) <= set(row)
        assert isinstance(row["avx512"], bool) and isinstance(row["any_batch"], bool)
        assert all(isinstance(row[key], int) and row[key] >= 1 for key in ("sub_blocks", "image_size", "batch"))
        assert row["method"] in set(execution.METHODS) - {"auto"}
        assert row["batch_method"] in set(execution.BATCH_METHODS) - {"auto"}
        assert np.isfinite(row["ratio"]) and row["ratio"] > 0
        # What the executors refuse cannot be a choice for batches of any size.
        assert row["any_batch"] == (row["method"] != "switch" and row["batch_method"] != "images")
        assert row["method"] != "switch" or row["batch"] == 1 or row["batch_method"] == "images"
    keys = [tuple(row[key] for key in KEYS[:6]) for row in rows]
    assert len(set(keys)) == len(keys)
    assert {key[:3] for key in keys} == {key[:3] for key, row in zip(keys, rows, strict=True) if row["any_batch"]}


@pytest.mark.parametrize("avx512", [False, True])
@pytest.mark.parametrize("sub_blocks", [1, 2, 3, 4])
@pytest.mark.parametrize("image_size", [32, 224])
def test_for_any_size_a_way_is_chosen_that_runs_any_size(image_size: int, sub_blocks: int, avx512: bool) -> None:
    chosen = best(sub_blocks, image_size, None, avx512)
    assert chosen.method != "switch" and chosen.batch_method != "images"
