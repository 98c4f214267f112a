"""Keras callbacks of a training run."""

import csv
import time
from pathlib import Path
from typing import Any

import keras

from tf_routing.files import whole_file
from tf_routing.train.checkpoint import save_checkpoint


class EpochLog(keras.callbacks.Callback):
    """Keeps `log.csv`: one row per finished epoch, also across continued runs.

    Args:
        path: The file.
        epochs_done: Integer; rows beyond it, of an epoch that was not checkpointed, are dropped.
        steps_per_epoch: Integer.
    """

    def __init__(self, path: Path, epochs_done: int, steps_per_epoch: int) -> None:
        super().__init__()
        self.path, self.steps_per_epoch = path, steps_per_epoch
        self.rows: list[dict[str, Any]] = []
        if path.exists():
            with open(path, newline="") as file:
                self.rows = [row for row in csv.DictReader(file) if int(row["epoch"]) <= epochs_done]

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Starts the epoch's clock."""
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Adds the epoch's row and writes the file whole."""
        steps = (epoch + 1) * self.steps_per_epoch
        seconds = round(time.perf_counter() - self.started, 3)
        self.rows.append({"epoch": epoch + 1, "step": steps, **(logs or {}), "epoch_seconds": seconds})
        with whole_file(self.path) as temporary, open(temporary, "w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(self.rows[-1]))
            writer.writeheader()
            writer.writerows(self.rows)


class EpochCheckpoint(keras.callbacks.Callback):
    """Writes a checkpoint after every epoch.

    Args:
        folder: Where checkpoints live.
        steps_per_epoch: Integer.
    """

    def __init__(self, folder: Path, steps_per_epoch: int) -> None:
        super().__init__()
        self.folder, self.steps_per_epoch = folder, steps_per_epoch

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Saves everything that continuing needs."""
        save_checkpoint(self.model, self.folder, epoch + 1, (epoch + 1) * self.steps_per_epoch)
