"""Checkpoints bring back every variable, and refuse what is not theirs."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tf_routing.train.checkpoint import restore_checkpoint, save_checkpoint


def trained(units: int = 3, steps: int = 0) -> keras.Model:
    layers = [keras.layers.Dense(units), keras.layers.Dropout(0.5), keras.layers.Dense(2)]
    model = keras.Sequential([keras.Input((4,)), *layers])
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss="mse")
    for _ in range(steps):
        model.train_on_batch(np.ones((2, 4)), np.zeros((2, 2)))
    return model


def values(model: Any) -> list[np.ndarray]:
    return [np.asarray(variable) for variable in (*model.variables, *model.optimizer.variables)]


def assert_same_values(first: Any, second: Any) -> None:
    for value, other in zip(values(first), values(second), strict=True):
        np.testing.assert_array_equal(value, other)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_round_trip_brings_back_weights_seeds_and_momentum(tmp_path: Path) -> None:
    model = trained(steps=3)
    save_checkpoint(model, tmp_path, epoch=2, step=3)
    restored = trained()
    assert restore_checkpoint(restored, tmp_path) == (2, 3)
    assert int(restored.optimizer.iterations) == 3
    assert any(np.any(np.asarray(slot)) for slot in restored.optimizer.variables[2:])
    assert_same_values(model, restored)


def test_a_restored_model_goes_on_like_the_one_that_was_saved(tmp_path: Path) -> None:
    model = trained(steps=2)
    save_checkpoint(model, tmp_path, epoch=1, step=2)
    restored = trained()
    restore_checkpoint(restored, tmp_path)
    for each in (model, restored):
        each.train_on_batch(np.ones((2, 4)), np.zeros((2, 2)))
    assert_same_values(model, restored)


def test_no_checkpoint_is_nothing_done(tmp_path: Path) -> None:
    assert restore_checkpoint(trained(), tmp_path / "checkpoints") == (0, 0)


def test_the_newest_two_are_kept(tmp_path: Path) -> None:
    model = trained(steps=1)
    for epoch in (1, 9, 10, 11):
        save_checkpoint(model, tmp_path, epoch, 5 * epoch)
    assert names(tmp_path) == ["step_00000050.npz", "step_00000055.npz"]
    assert restore_checkpoint(trained(), tmp_path) == (11, 55)


def test_a_half_written_file_is_not_a_checkpoint(tmp_path: Path) -> None:
    save_checkpoint(trained(steps=1), tmp_path, epoch=1, step=1)
    (tmp_path / ".step_00000002-abc.npz").write_bytes(b"half")
    assert restore_checkpoint(trained(), tmp_path) == (1, 1)


@pytest.mark.parametrize("kept", [0, 100, -100])
def test_a_damaged_file_is_named(kept: int, tmp_path: Path) -> None:
    save_checkpoint(trained(steps=1), tmp_path, epoch=1, step=1)
    path = tmp_path / "step_00000001.npz"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"step_00000001\.npz is damaged .*remove it"):
        restore_checkpoint(trained(), tmp_path)


def test_the_checkpoint_of_another_model_changes_nothing(tmp_path: Path) -> None:
    save_checkpoint(trained(steps=1), tmp_path, epoch=1, step=1)
    other = trained(units=5)
    before = values(other)
    with pytest.raises(ValueError, match=r"step_00000001\.npz belongs to another model"):
        restore_checkpoint(other, tmp_path)
    for value, variable in zip(before, values(other), strict=False):
        np.testing.assert_array_equal(value, variable)
