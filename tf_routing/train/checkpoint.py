"""Checkpoints of a training run: every variable, as plain arrays, and how far the run was.

Keras's files hold no running means of an unfinished epoch, and loading arrays runs no code.
"""

import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tf_routing.support.files import explain_write_errors, whole_file
from tf_routing.train.distribution.replica_values import assign_by_replica, values_by_replica
from tf_routing.train.errors import not_finite

_KEPT = 2
_METRIC = "metric_"


class Spent(NamedTuple):
    """What an epoch took: seconds on the clock, and seconds of processors, which other work does not lengthen."""

    seconds: float = 0.0
    processor_seconds: float = 0.0


class Saved(NamedTuple):
    """How far a run was: epochs finished, steps done in all, and what an unfinished epoch took so far."""

    epoch: int = 0
    step: int = 0
    spent: Spent = Spent()

    def epochs_begun(self, steps: int) -> int:
        """Returns the epochs of `steps` steps that it reaches into, an unfinished one included."""
        return self.epoch + (self.step > self.epoch * steps)


def save_checkpoint(
    model: Any,
    folder: Path,
    epoch: int,
    step: int,
    spent: Spent = Spent(),  # noqa: B008 - a named tuple cannot change
    metrics: Sequence[np.ndarray] = (),
) -> None:
    """Writes all variables of a model and its optimizer, and removes all but the newest checkpoints.

    Args:
        model: A compiled model.
        folder: Where checkpoints live.
        epoch: Integer, epochs finished.
        step: Integer, steps done, those of all epochs.
        spent: What the unfinished epoch took so far.
        metrics: Running means of the unfinished epoch, see `metric_values`.

    Raises:
        NotFinite: If a weight is NaN or infinite; nothing is written then.
        OSError: If the file cannot be written; there is no part of it then.
    """
    wrong = [weight.path for weight in model.trainable_variables if not np.isfinite(np.asarray(weight)).all()]
    if wrong:
        raise not_finite(step, dict.fromkeys(wrong[:3], float("nan")), newest_checkpoint(folder))
    arrays = {f"{number:05d}": np.asarray(variable) for number, variable in enumerate(run_variables(model))}
    arrays |= {f"{_METRIC}{number:05d}": values for number, values in enumerate(metrics)}
    path = folder / f"step_{step:08d}.npz"
    with explain_write_errors(path), whole_file(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, epoch=epoch, step=step, **spent._asdict(), **arrays)  # type: ignore[arg-type]
    for old in _files(folder)[:-_KEPT]:
        old.unlink()


def metric_values(model: Any, strategy: Any = None) -> list[np.ndarray]:
    """Returns the running means of an epoch, of each replica: arrays `(replicas, ...)`.

    On several hosts every one must ask, at the same step.
    """
    return values_by_replica(model.metrics_variables, strategy)


def restore_checkpoint(model: Any, folder: Path, strategy: Any = None) -> tuple[int, int]:
    """Restores the newest checkpoint into a compiled model.

    Args:
        model: The compiled model that wrote it. To go on within an epoch its metrics must be built.
        folder: Where checkpoints live.
        strategy: The `tf.distribute.Strategy` of the model, `None` for one device.

    Returns:
        Epochs finished and steps done; zeros where there is no checkpoint.

    Raises:
        ValueError: If the file is damaged or belongs to another model; the model is then as it was.
    """
    path = newest_checkpoint(folder)
    if path is None:
        return 0, 0
    arrays = _read(path)
    epoch, step = int(arrays.pop("epoch")), int(arrays.pop("step"))
    metrics = [arrays[name] for name in sorted(arrays) if name.startswith(_METRIC)]
    values = [arrays[name] for name in sorted(arrays) if name.isdecimal()]
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    variables = run_variables(model)
    means = model.metrics_variables if metrics else []
    fits = list(map(_shape_and_type, values)) == list(map(_shape_and_type, variables))
    if not fits or len(metrics) != len(means):
        raise ValueError(f"{path} belongs to another model than {model.name!r}.")
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    if metrics:
        assign_by_replica(means, metrics, strategy)
    return epoch, step


def saved_so_far(folder: Path) -> Saved:
    """Returns how far the newest checkpoint is, zeros where there is none.

    Raises:
        ValueError: If the file is damaged, or of a version that wrote one per epoch.
    """
    path = newest_checkpoint(folder)
    if path is None:
        return Saved()
    # Earlier versions noted the clock alone.
    arrays = _read(path, ("epoch", "step", "seconds"), optional=("processor_seconds",))
    spent = Spent(**{name: float(arrays[name]) for name in Spent._fields if name in arrays})
    return Saved(int(arrays["epoch"]), int(arrays["step"]), spent)


def newest_checkpoint(folder: Path) -> Path | None:
    """Returns the checkpoint from which a run goes on, `None` where there is none."""
    files = _files(folder)
    if not files and any(folder.glob("epoch_*.npz")):
        raise ValueError(
            f"{folder} holds checkpoints of an older version of tf_routing, one per epoch. Finish the run with that "
            "version, or choose another --output."
        )
    return files[-1] if files else None


def run_variables(model: Any) -> list[Any]:
    """Returns what determines how training goes on, in an order that the model's layout alone decides."""
    # Plain Keras models have no objective.
    objective = (getattr(model, each, []) for each in ("objective_variables", "objective_state"))
    return [*model.variables, *itertools.chain(*objective), *model.optimizer.variables]


def _read(path: Path, names: Sequence[str] | None = None, optional: Sequence[str] = ()) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as saved:
            found = [name for name in optional if name in saved.files]
            return {name: saved[name] for name in (*(names or saved.files), *found)}
    except Exception as error:
        raise ValueError(f"{path} is damaged ({error}): remove it to continue from the one before.") from error


def _shape_and_type(values: Any) -> tuple[tuple[int, ...], str]:
    return tuple(values.shape), str(values.dtype)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("step_*.npz") if re.fullmatch(r"step_\d{8}\.npz", path.name))
