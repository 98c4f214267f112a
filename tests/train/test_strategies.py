"""Strategies open as asked or say why not, and each replica gets its rows of every batch."""

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.conformance.subjects import finish, start_python
from tests.snippets import run_snippet
from tf_routing.train.distribution.lost_workers import explain_lost_workers
from tf_routing.train.distribution.replica_batches import check_divides, distribute
from tf_routing.train.distribution.strategies import host_count, is_chief, open_strategy
from tf_routing.train.distribution.tf_config import read_tf_config, tf_config

_FOUR = """
import json

import keras
import numpy as np
from tf_routing import layers
from tf_routing.layers.routers.replica_draws import uniform_rows
from tf_routing.train.distribution.strategies import host_count, is_chief, open_strategy, synchronize_batch_norm

four = open_strategy("mirrored", devices=4)

import tensorflow as tf
from tf_routing.train.distribution.replica_batches import check_divides, distribute

rows = {"image": tf.reshape(tf.range(48.0), (24, 2)), "cost": tf.range(24)}
batches = tf.data.Dataset.from_tensor_slices((rows, tf.range(24) + 100)).batch(8)
seen = [
    [[value.numpy().tolist() for value in four.experimental_local_results(part)] for part in tf.nest.flatten(batch)]
    for batch in distribute(batches, four, batch_size=8, copies=2)
]
errors = []
for size, copies in ((6, 1), (12, 2)):
    try:
        check_divides(four, size, copies)
    except ValueError as error:
        errors.append(str(error))


def synchronized(strategy):
    with strategy.scope():
        image = keras.Input((8, 8, 3))
        x = keras.layers.BatchNormalization()(image)
        model = keras.Model(image, layers.CrossPrediction(2, filters=4)(x))
    synchronize_batch_norm(model)
    return [each.synchronized for each in model._flatten_layers() if isinstance(each, keras.layers.BatchNormalization)]




with four.scope():
    seed = keras.random.SeedGenerator(5)
draw = tf.function(lambda: four.run(lambda: uniform_rows((2, 3), 1.0, 2.0, seed)))
parts = [np.concatenate(four.experimental_local_results(draw())).tolist() for _ in range(2)]
alone = keras.random.SeedGenerator(5)
whole = [uniform_rows((8, 3), 1.0, 2.0, alone).numpy().tolist() for _ in range(2)]
try:
    open_strategy("mirrored", devices=5)
except RuntimeError as error:
    errors.append(str(error))
print(json.dumps({
    "replicas": four.num_replicas_in_sync, "chief": is_chief(four), "hosts": host_count(four), "seen": seen,
    "errors": errors, "synchronized": [synchronized(four), synchronized(open_strategy("one"))],
    "parts": parts, "whole": whole,
}))
"""


@pytest.fixture(scope="module")
def four() -> dict[str, Any]:
    """What four devices, parts of the CPU, saw and said."""
    return json.loads(run_snippet(_FOUR).splitlines()[-1])


def test_the_cpu_stands_in_for_four_devices(four: dict[str, Any]) -> None:
    assert (four["replicas"], four["chief"], four["hosts"]) == (4, True, 1)


def test_each_replica_gets_its_rows_in_order(four: dict[str, Any]) -> None:
    assert len(four["seen"]) == 3
    for number, parts in enumerate(four["seen"]):
        # In the order of `tf.nest`: the dict by name, then labels.
        costs, rows, labels = parts
        first = 8 * number
        assert costs == [[first + 2 * r, first + 2 * r + 1] for r in range(4)]
        assert [each[0][0] for each in rows] == [2.0 * (first + 2 * r) for r in range(4)]
        assert labels == [[100 + cost for cost in each] for each in costs]


@pytest.mark.parametrize(("hosts", "replicas"), [(1, 4), (2, 4), (4, 4), (2, 2)])
def test_hosts_divide_batches_between_them(hosts: int, replicas: int) -> None:
    """A stand-in for a strategy of several hosts, which asks each for the batches of its replicas."""

    def ask(of_host: Any) -> list[Any]:
        contexts = (tf.distribute.InputContext(hosts, host, replicas) for host in range(hosts))
        return [of_host(context) for context in contexts]

    strategy = SimpleNamespace(num_replicas_in_sync=replicas, distribute_datasets_from_function=ask)
    batches = tf.data.Dataset.range(24).batch(8)
    parts = [list(part.as_numpy_iterator()) for part in distribute(batches, strategy, batch_size=8)]
    here, rows = replicas // hosts, 8 // replicas
    for host, part in enumerate(parts):
        # Replica r has rows r B / R to (r + 1) B / R of each batch, and each host those of its replicas in order.
        numbers = range(host * here, (host + 1) * here)
        expected = [np.arange(r * rows, (r + 1) * rows) + first for first in (0, 8, 16) for r in numbers]
        np.testing.assert_array_equal(part, expected)


def test_batches_that_cannot_be_divided_are_refused(four: dict[str, Any]) -> None:
    assert "`batch_size` must be a multiple of 4, for 4 replicas. Received: batch_size=6" in four["errors"][0]
    assert "multiple of 8, for 4 replicas of 2 copies each. Received: batch_size=12" in four["errors"][1]


def test_more_devices_come_too_late_once_tensorflow_runs(four: dict[str, Any]) -> None:
    assert "`devices=5` comes too late" in four["errors"][2]


def test_batch_normalisations_are_synchronised_where_replicas_share_a_batch(four: dict[str, Any]) -> None:
    several, one = four["synchronized"]
    assert len(several) == len(one) == 3
    assert all(several) and not any(one)


def test_replicas_draw_the_rows_of_one_draw(four: dict[str, Any]) -> None:
    assert four["parts"] == four["whole"]
    assert four["whole"][0] != four["whole"][1]
    assert len({tuple(row) for row in four["whole"][0]}) == 8


def test_one_device_takes_batches_as_they_are() -> None:
    one = open_strategy("one")
    assert (one.num_replicas_in_sync, is_chief(one), host_count(one)) == (1, True, 1)
    batches = tf.data.Dataset.range(6).batch(3)
    assert distribute(batches, one, batch_size=3) is batches


def test_a_batch_must_hold_whole_groups_of_copies() -> None:
    with pytest.raises(ValueError, match="`batch_size` must be a multiple of 2"):
        check_divides(open_strategy("one"), 5, copies=2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"kind": "mirored"}, "`strategy` must be one of 'auto'.*Received: strategy='mirored'"),
        ({"kind": "one", "devices": 2}, "`devices` counts with strategy='mirrored' alone"),
        ({"kind": "auto", "tpu": "local"}, "`tpu` counts with strategy='tpu' alone"),
        ({"kind": "mirrored", "devices": 0}, "`devices` must be a positive integer"),
        ({"kind": "tpu"}, "`tpu` must name a TPU"),
    ],
)
def test_arguments_that_are_not_possible(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        open_strategy(**arguments)


def test_without_a_tpu_the_error_says_what_to_do() -> None:
    with pytest.raises(RuntimeError, match="No TPU answers to tpu='local'.*leave `strategy` at 'auto'"):
        open_strategy("tpu", tpu="local")


_TASK = {"type": "worker", "index": 0}
_CLUSTER = {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (None, "is not set"),
        ("{", "is no JSON"),
        ("[]", "must hold a `cluster`"),
        ({"task": _TASK}, "must hold a `cluster`"),
        ({"cluster": {"ps": ["a:1"]}, "task": _TASK}, "must hold a `cluster` of `worker` addresses"),
        ({"cluster": {"worker": ["10.0.0.1"]}, "task": _TASK}, "addresses host:port"),
        ({"cluster": _CLUSTER}, "must hold a `task` whose type is one of worker"),
        ({"cluster": _CLUSTER, "task": {"type": "worker", "index": 2}}, "index is below 2"),
        ({"cluster": _CLUSTER, "task": {"type": "worker", "index": "one"}}, "index is below 2"),
    ],
)
def test_a_wrong_tf_config_is_named_with_a_right_one(config: Any, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if config is not None:
        monkeypatch.setenv("TF_CONFIG", config if isinstance(config, str) else json.dumps(config))
    with pytest.raises(ValueError, match=f"TF_CONFIG .*{said}") as raised:
        open_strategy("multiworker")
    example = str(raised.value).partition("for example ")[2].partition(" on the first")[0]
    monkeypatch.setenv("TF_CONFIG", example)
    assert read_tf_config() == {"cluster": _CLUSTER, "task": _TASK}


def test_auto_takes_several_hosts_where_tf_config_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CONFIG", "{}")
    with pytest.raises(ValueError, match="TF_CONFIG must hold"):
        open_strategy("auto")


def test_other_hosts_come_too_late_once_tensorflow_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    tf.constant(1) + 1
    monkeypatch.setenv("TF_CONFIG", tf_config(["127.0.0.1:2222", "127.0.0.1:2223"], 0))
    with pytest.raises(RuntimeError, match="strategy='multiworker' comes too late"):
        open_strategy("multiworker")


def test_on_one_host_errors_stay_as_they_are() -> None:
    error = tf.errors.UnavailableError(None, None, "no")
    with pytest.raises(tf.errors.UnavailableError), explain_lost_workers(open_strategy("one")):
        raise error


def test_command_line_modules_import_no_tensorflow() -> None:
    imported = "from tf_routing.train.distribution import launch, strategy_names, tf_config"
    code = f"import sys; {imported}; print('tensorflow' in sys.modules)"
    assert finish(start_python(code)).split() == ["False"]
