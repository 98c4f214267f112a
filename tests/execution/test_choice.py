"""How a block and a batch run is the fastest way measured under the nearest conditions, unless it is set."""

import json
from collections.abc import Iterator
from importlib import resources
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.execution.split_nets import CLASSES, images, masked, mixed_net, relative, split_net
from tf_routing import execution
from tf_routing.execution import choice
from tf_routing.execution.choice import Choice, batch_method, best, block_method

KEYS = ("avx512", "sub_blocks", "batch", "method", "batch_method", "any_batch", "ratio")
ROWS: list[tuple[Any, ...]] = [
    (False, 2, 1, "switch", "whole", False, 0.5),
    (False, 2, 1, "rows", "whole", True, 0.7),
    (False, 2, 8, "patterns", "whole", True, 0.6),
    (False, 2, 8, "rows", "chunks", True, 0.8),
    (False, 2, 8, "switch", "images", False, 0.55),
    (False, 2, 32, "patterns", "whole", True, 0.9),
    (False, 2, 32, "rows", "chunks", True, 0.65),
    (False, 4, 8, "rows", "whole", True, 0.4),
    (False, 4, 8, "patterns", "whole", True, 0.45),
    (True, 2, 8, "patterns", "chunks", True, 0.9),
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
    ("sub_blocks", "batch", "avx512", "expected"),
    [
        (2, 1, False, Choice("switch", "whole")),
        (2, 8, False, Choice("switch", "images")),
        (2, 32, False, Choice("rows", "chunks")),
        (2, 6, False, Choice("switch", "images")),  # nearest by ratio: 8, not 1
        (2, 1000, False, Choice("rows", "chunks")),
        (1, 1, False, Choice("switch", "whole")),
        (4, 1, False, Choice("rows", "whole")),  # only 8 was measured for four
        (16, 8, False, Choice("rows", "whole")),
        (2, 8, True, Choice("patterns", "chunks")),
        (4, 1, True, Choice("patterns", "chunks")),  # the processor counts first
        (2, 8, None, Choice("switch", "images")),
    ],
)
def test_the_lowest_ratio_of_the_nearest_rows_wins(
    sub_blocks: int, batch: int, avx512: bool | None, expected: Choice
) -> None:
    assert best(sub_blocks, batch, avx512) == expected


@pytest.mark.usefixtures("_rows")
def test_a_batch_of_any_size_takes_the_best_mean_of_what_can_run_it() -> None:
    # patterns/whole (0.6 + 0.9) / 2, rows/chunks (0.8 + 0.65) / 2, rows/whole 0.7; a switch needs a known size.
    assert best(2, None, False) == Choice("rows", "whole")
    assert best(4, None, False) == Choice("rows", "whole")


@pytest.mark.usefixtures("_rows")
def test_a_model_goes_by_its_widest_block() -> None:
    two, four = (split_net(n).get_layer("block_1") for n in (2, 4))
    assert batch_method([two], 8) == "images"
    assert batch_method([two, four], 8) == "whole"


@pytest.mark.usefixtures("_rows")
def test_a_block_runs_as_measured_or_as_set() -> None:
    block = split_net(2).get_layer("block_1")
    assert [block_method(block, batch) for batch in (1, 8, None)] == ["switch", "switch", "rows"]
    block.method = "patterns"
    assert [block_method(block, batch) for batch in (1, 8, None)] == ["patterns"] * 3


@pytest.mark.usefixtures("_rows")
@pytest.mark.parametrize(("count", "expected"), [(1, ["switch"]), (9, ["switch"] * 9), (32, ["rows"] * 4)])
def test_auto_runs_a_batch_the_way_that_was_chosen(
    count: int, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def recorded(block: Any, batch: int | None) -> str:
        seen.append(block_method(block, batch if batch != 8 or count == 9 else None))
        return seen[-1]

    from tf_routing.execution import sparse

    monkeypatch.setattr(sparse, "block_method", recorded)
    model = mixed_net(2, "projection")
    seen.clear()
    assert relative(model(images(count)), masked(model, images(count))) <= 1e-5
    assert seen == [each for each in expected for _ in range(2)]


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
    assert (model.execution, model.batch_method, model.get_layer("block_1").method) == ("auto", "auto", "auto")


def test_the_measurements_are_well_formed() -> None:
    rows = json.loads(resources.files("tf_routing.execution").joinpath("measured.json").read_text("utf-8"))["rows"]
    for row in rows:
        assert set(KEYS) <= set(row)
        assert isinstance(row["avx512"], bool) and isinstance(row["any_batch"], bool)
        assert all(isinstance(row[key], int) and row[key] >= 1 for key in ("sub_blocks", "batch"))
        assert row["method"] in set(execution.METHODS) - {"auto"}
        assert row["batch_method"] in set(execution.BATCH_METHODS) - {"auto"}
        assert np.isfinite(row["ratio"]) and row["ratio"] > 0
        # What the executors refuse cannot be a choice for batches of any size.
        assert row["any_batch"] == (row["method"] != "switch" and row["batch_method"] != "images")
        assert row["method"] != "switch" or row["batch"] == 1 or row["batch_method"] == "images"
    keys = [tuple(row[key] for key in KEYS[:5]) for row in rows]
    assert len(set(keys)) == len(keys)
    for avx512, sub_blocks in {(row["avx512"], row["sub_blocks"]) for row in rows}:
        assert any(row["any_batch"] for row in rows if (row["avx512"], row["sub_blocks"]) == (avx512, sub_blocks))


@pytest.mark.parametrize("avx512", [False, True])
@pytest.mark.parametrize("sub_blocks", [1, 2, 3, 4])
def test_what_is_chosen_can_run(sub_blocks: int, avx512: bool) -> None:
    for batch in (0, 1, 2, 8, 17, 128):
        chosen = best(sub_blocks, batch, avx512)
        assert chosen.method != "switch" or batch <= 1 or chosen.batch_method == "images"
    assert best(sub_blocks, None, avx512).method != "switch"
    assert best(sub_blocks, None, avx512).batch_method != "images"
