"""Blocks and exits in buckets compute what masked ones do, on the rows that need it; in TensorFlow without XLA, too."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests import exit_net, skip_net
from tests.execution import split_nets
from tests.execution.split_nets import SHORTCUTS, decided, mixed_net, relative, rows_run
from tf_routing import calibrate
from tf_routing.execution import bucket_exits
from tf_routing.execution.static_rows import bucket_size
from tf_routing.models import RoutedModel

COUNTS = (0, 1, 5, 33)


@cache
def skipping(router: str) -> RoutedModel:
    """Blocks of one part, of which the second changes the shape."""
    model = skip_net.skip_model(router=router)
    calibrate(model, skip_net.images(40), rate=0.5)
    return model


@cache
def leaving(name: str) -> RoutedModel:
    """A network that ends in logits and is left at every exit."""
    tree = {"chain": exit_net.CHAIN, "branches": exit_net.BRANCHES}[name]
    model = exit_net.exit_model(tree, classifier_activation=None)
    exit_net.vary(model)
    exit_net.balance(model)
    calibrate(model, exit_net.images(40), rate=0.7)
    return model


NETS: dict[str, tuple[Callable[[], RoutedModel], Callable[[int], np.ndarray]]] = {
    **{f"split_{each}": (lambda each=each: mixed_net(3, each), split_nets.images) for each in SHORTCUTS},
    **{f"skip_{each}": (lambda each=each: skipping(each), skip_net.images) for each in ("linear", "recurrent")},
    **{f"leave_{each}": (lambda each=each: leaving(each), exit_net.images) for each in ("chain", "branches")},
}


def answers(model: RoutedModel, run: Callable[[Any], Any], x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The answers, and all decisions side by side."""
    found = run(tf.constant(x))
    decisions = np.concatenate([np.asarray(found[name]) for name in model.decision_names], axis=1)
    return np.asarray(found["probabilities"]), decisions


# One after the other, operations take seconds: one net of each kind.
@pytest.mark.parametrize(
    ("name", "mode"),
    [*((name, "graph") for name in NETS), *((name, "eager") for name in ("split_None", "skip_linear", "leave_chain"))],
)
def test_buckets_equal_masked(name: str, mode: str) -> None:
    build, images = NETS[name]
    model = build()
    model.set_execution("masked")
    expected = {count: answers(model, model.decide, images(40)[:count]) for count in COUNTS}
    model.set_execution("sparse", "buckets", "whole")
    run = model.decide if mode == "eager" else tf.function(model.decide, autograph=False)
    for count in COUNTS:
        probabilities, decisions = answers(model, run, images(40)[:count])
        np.testing.assert_array_equal(decisions, expected[count][1])
        assert relative(probabilities, expected[count][0]) <= 1e-5
    # Of each decision not all images make the same.
    assert (np.ptp(expected[33][1], axis=0) > 0).any()


@pytest.mark.parametrize("shortcut", SHORTCUTS)
def test_parts_of_blocks_run_on_as_many_buckets_as_are_filled(shortcut: str | None) -> None:
    model = mixed_net(3, shortcut)
    for count in COUNTS[1:]:
        chosen = decided(model, split_nets.images(count))
        model.set_execution("sparse", "buckets", "whole")
        rows_run(model)
        model(split_nets.images(count), training=False)
        size = bucket_size(count)
        np.testing.assert_array_equal(rows_run(model), -(-chosen // size) * size)
    assert (chosen < count).all()


@pytest.mark.parametrize("name", ["chain", "branches"])
def test_stages_and_exits_run_on_as_many_buckets_as_are_filled(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, count, ran = leaving(name), 33, []
    inner = bucket_exits.BucketExits.run_part

    def counted(self: Any, part: Any, maps: list[Any]) -> list[Any]:
        ran.append((part, maps[-1].shape[0]))
        return inner(self, part, maps)

    monkeypatch.setattr(bucket_exits.BucketExits, "run_part", counted)
    model.set_execution("sparse", "buckets", "whole")
    model.executor.__dict__.pop("_bucket_exits", None)
    found = model.decide(exit_net.images(count))
    executor, size = model.executor._bucket_exits, bucket_size(count)
    rows: dict[Any, int] = {}
    for part, each in ran:
        rows[part] = rows.get(part, 0) + each
    assert rows.pop(executor.tree) == count

    def came(part: Any, here: np.ndarray) -> dict[Any, int]:
        """How many images come to each part after this one."""
        if part in executor.exits:
            return {part: int(here.sum())}
        switches = np.asarray(found[part.junction]) if part.junction is not None else np.ones((count, 1))
        after = [came(sink, here * switches[:, number]) for number, sink in enumerate(part.sinks)]
        own = {} if part is executor.tree else {part: int(here.sum())}
        return own | {each: number for one in after for each, number in one.items()}

    expected = came(executor.tree, np.ones(count))
    assert rows == {part: -(-number // size) * size for part, number in expected.items() if number}
    assert len(expected) > 4 and max(expected.values()) < 2 * count
