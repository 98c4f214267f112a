"""Removes what a run wrote from its folder, so that another can begin there."""

from collections.abc import Sequence
from pathlib import Path

from tf_routing.runs.run_record import check_folder, find_record, write_record
from tf_routing.runs.trained_file import BUDGETS, EVALUATION

# What a run writes, and what was measured of its network. Nothing else is ever removed, and folders only where nothing
# is left in them.
_OF_A_RUN = (
    "log.csv",
    "model.keras",
    "routing.png",
    EVALUATION,
    BUDGETS,
    "checkpoints/step_*.npz",
    "checkpoints/epoch_*.npz",
    "tensorboard/*/events.out.tfevents.*",
)
_FOLDERS = ("checkpoints", "tensorboard/train", "tensorboard/validation", "tensorboard/routing", "tensorboard")


def remove_run(output: Path, patterns: Sequence[str] = _OF_A_RUN, folders: Sequence[str] = _FOLDERS) -> None:
    """Removes what a run wrote into its folder, and nothing else. Its record stays, and binds nobody any more.

    The folder remains a run's all the time: a removal that is interrupted can be repeated.

    Args:
        output: Folder of the run; one that is not there, or empty, is as good.
        patterns: What else than `run.json` it wrote.
        folders: The folders of these, the inner ones first.

    Raises:
        ValueError: If the folder holds something, but no run of this library; nothing is removed then.
    """
    check_folder(output)
    record = find_record(output)
    if record is not None:
        write_record(output, {key: value for key, value in record.items() if key != "final"})
    for pattern in patterns:
        for file in output.glob(pattern):
            if file.is_file():
                file.unlink()
    for folder in folders:
        if (output / folder).is_dir() and not any((output / folder).iterdir()):
            (output / folder).rmdir()
