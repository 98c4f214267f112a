"""Checkpoints of a training run: every variable, as plain arrays.

Keras's own files leave out the counters of seed generators, and loading arrays runs no code.
"""

import itertools
import re
from pathlib import Path
from typing import Any

import numpy as np

from tf_routing.files import whole_file

_KEPT = 2


def save_checkpoint(model: Any, folder: Path, epoch: int, step: int) -> None:
    """Writes all variables of a model and its optimizer, and removes all but the newest checkpoints.

    Args:
        model: A compiled model.
        folder: Where checkpoints live.
        epoch: Epochs done.
        step: Steps done.
    """
    arrays: dict[str, Any] = {
        f"{number:05d}": np.asarray(variable) for number, variable in enumerate(_variables(model))
    }
    with whole_file(folder / f"epoch_{epoch:05d}.npz") as temporary, open(temporary, "wb") as file:
        np.savez(file, epoch=epoch, step=step, **arrays)
    for old in _files(folder)[:-_KEPT]:
        old.unlink()


def restore_checkpoint(model: Any, folder: Path) -> tuple[int, int]:
    """Restores the newest checkpoint into a compiled model.

    Args:
        model: The compiled model that wrote it.
        folder: Where checkpoints live.

    Returns:
        Epochs and steps done; zeros where there is no checkpoint.

    Raises:
        ValueError: If the file is damaged or belongs to another model.
    """
    files = _files(folder)
    if not files:
        return 0, 0
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    variables = _variables(model)
    try:
        with np.load(files[-1], allow_pickle=False) as saved:
            arrays = [saved[f"{number:05d}"] for number in range(len(saved.files) - 2)]
            done = int(saved["epoch"]), int(saved["step"])
    except Exception as error:
        raise ValueError(f"{files[-1]} is damaged ({error}): remove it to continue from the one before.") from error
    if [array.shape for array in arrays] != [tuple(variable.shape) for variable in variables]:
        raise ValueError(f"{files[-1]} belongs to another model than {model.name!r}.")
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)
    return done


def epochs_done(folder: Path) -> int:
    """Returns the epochs that the newest checkpoint has behind it, 0 where there is none."""
    files = _files(folder)
    return int(files[-1].stem.removeprefix("epoch_")) if files else 0


def _variables(model: Any) -> list[Any]:
    # Plain Keras models have no objective.
    objective = (getattr(model, each, []) for each in ("objective_variables", "objective_state"))
    return [*model.variables, *itertools.chain(*objective), *model.optimizer.variables]


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("epoch_*.npz") if re.fullmatch(r"epoch_\d{5}\.npz", path.name))
