"""What a folder claims: nothing before the first checkpoint, more epochs alone after it, and only what a run wrote."""

from pathlib import Path
from typing import Any

import pytest

from tf_routing.runs.removal import remove_run
from tf_routing.runs.run_record import find_record, open_record, write_record


def asked(**changes: Any) -> dict[str, Any]:
    recipe = {"epochs": 4, "shift": 2, **changes.pop("recipe", {})}
    return {"model": "basecnn", "train_images": 74, "recipe": recipe, **changes}


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """The folder of a run that is finished."""
    record = open_record(tmp_path / "run", asked())
    write_record(tmp_path / "run", {**record, "final": {"accuracy": 0.5}})
    return tmp_path / "run"


def begun(output: Path) -> None:
    """Makes it one that stopped."""
    write_record(output, {key: value for key, value in (find_record(output) or {}).items() if key != "final"})


def test_a_run_without_a_checkpoint_claims_nothing(output: Path) -> None:
    begun(output)
    other = asked(train_images=71, model="resnet20")
    with pytest.raises(ValueError, match="model was 'basecnn', now 'resnet20'; train_images was 74, now 71"):
        open_record(output, other)
    record = open_record(output, other, begun=False)
    assert record["arguments"] == other and record["continued_at_step"] == []


def test_a_finished_run_binds_without_its_checkpoints(output: Path) -> None:
    with pytest.raises(ValueError, match="train_images was 74, now 71"):
        open_record(output, asked(train_images=71), begun=False)


@pytest.mark.parametrize("finished", [True, False])
def test_more_epochs_continue(finished: bool, output: Path) -> None:
    if not finished:
        begun(output)
    record = open_record(output, asked(recipe={"epochs": 6}), epochs_begun=4 if finished else 2)
    assert record["arguments"] == asked(recipe={"epochs": 6}) and record["epochs_before"] == [4]
    assert "final" not in record


@pytest.mark.parametrize(
    ("changes", "epochs_begun", "message"),
    [
        ({"recipe": {"epochs": 3}}, 4, "`epochs` must be at least 4, .* Received: epochs=3. .* --restart"),
        (
            {"recipe": {"epochs": 6}, "model": "x"},
            4,
            "model was .*; epochs was 4, now 6. .*--restart",
        ),
        ({"recipe": {"epochs": 6}}, 0, "cannot grow from 4 to 6 .*: its checkpoints are gone. .*--restart"),
        ({"recipe": {"epochs": 6}}, 5, "cannot grow from 4 to 6 .*: its routers are frozen after .*--restart"),
        ({"recipe": {"shift": 3}}, 4, "shift was 2, now 3. Give what was given before, .*--restart"),
    ],
)
def test_each_refusal_says_what_to_do(changes: dict[str, Any], epochs_begun: int, message: str, output: Path) -> None:
    before = (output / "run.json").read_bytes()
    with pytest.raises(ValueError, match=message):
        open_record(output, asked(**changes), epochs_begun=epochs_begun)
    assert (output / "run.json").read_bytes() == before


@pytest.mark.parametrize("content", ['{"name": "somebody"}', "[1]", '{"arguments": 3}'])
def test_the_record_of_somebody_else_is_not_ours(content: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(content, "utf-8")
    for begin in (lambda: open_record(tmp_path, asked()), lambda: remove_run(tmp_path)):
        with pytest.raises(ValueError, match="is no record of a run of tf_routing: choose another folder"):
            begin()
    assert (tmp_path / "run.json").read_text("utf-8") == content


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def test_a_restart_removes_what_a_run_wrote_and_nothing_else(output: Path) -> None:
    written = (
        "log.csv", "model.keras", "routing.png", "checkpoints/step_00000002.npz", "budgets.json", "evaluation.json",
        "tensorboard/train/events.out.tfevents.1.host.0.v2",
    )  # fmt: skip
    mine = ("thesis.txt", "checkpoints/notes.txt", "tensorboard/validation/mine.csv", "exported/saved_model.pb")
    for name in (*written, *mine):
        (output / name).parent.mkdir(parents=True, exist_ok=True)
        (output / name).write_bytes(b"")
    remove_run(output)
    left = {*mine, "checkpoints", "tensorboard", "tensorboard/validation", "exported", "run.json"}
    assert files(output) == left
    other = asked(model="resnet20")
    assert open_record(output, other, begun=False)["arguments"] == other
    remove_run(output)
    assert files(output) == left


def test_a_restart_of_nothing_removes_nothing(tmp_path: Path) -> None:
    remove_run(tmp_path / "run")
    (tmp_path / "log.csv").write_text("mine", "utf-8")
    with pytest.raises(ValueError, match="exists and holds no run: choose another --output"):
        remove_run(tmp_path)
    assert files(tmp_path) == {"log.csv"}
