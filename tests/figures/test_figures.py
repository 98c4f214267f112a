"""The command `figures`: what it reads from folders of runs is what it draws."""

import csv
import inspect
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

import tf_routing
from tests.analysis.drawn import legend_labels, saved_figures
from tf_routing import data
from tf_routing.cli.main import main
from tf_routing.data import Dataset, ImageSet, ImageStream
from tf_routing.figures import dataset_figures
from tf_routing.figures.figure_inputs import Shown
from tf_routing.figures.figure_table import FIGURES, list_figures
from tf_routing.runs.finished_runs import FinishedRun, finished_runs, folder_labels, logged_shares, trained_tree
from tf_routing.support.files import write_json
from tf_routing.train.fit import fit
from tf_routing.train.recipes.recipe import Recipe

_NAMES = ["cat", "dog"]
_TREE = {
    "columns": ["column_1"],
    "junction": "junction_1",
    "sinks": [{"exit": "exit_1"}, {"columns": ["column_2"], "junction": None, "sinks": [{"exit": "exit_2"}]}],
}
_COUNTS = {"exit_1": {"correct": [40, 10], "incorrect": [5, 0]}, "exit_2": {"correct": [20, 20], "incorrect": [0, 5]}}
_SMALL = {"channels": [4, 4], "sinks": ["classify", {"channels": [4], "sinks": ["classify"]}]}


def write_run(folder: Path, final: dict[str, Any] | None, dataset: str = "hybrid", **model_arguments: Any) -> Path:
    """A run's record, a finished one where it has a `final`, and what belongs to it."""
    arguments = {"model": "decide_chain8", "dataset": dataset, "model_arguments": model_arguments}
    record = {"arguments": arguments, "seconds": 1.0}
    if final is not None:
        record |= {"final": final, "class_names": _NAMES}
    write_json(folder / "run.json", record)
    with open(folder / "log.csv", "w", newline="") as file:
        log = csv.writer(file)
        log.writerow(["epoch", "exit_1_share", "val_exit_2_share", "val_exit_10_share", "val_exit_1_share", "val_loss"])
        log.writerows([[1, 9, 0.0, 0.25, 0.75, 9], [2, 9, 0.5, 0.25, 0.25, 9]])
    with zipfile.ZipFile(folder / "model.keras", "w") as archive:
        layers = [{"config": {"name": "column_1"}}, {"config": {"name": "probabilities", "tree": _TREE}}]
        archive.writestr("config.json", json.dumps({"config": {"layers": layers}}))
    return folder


def left_early(error: float, mean_macs: float) -> dict[str, Any]:
    # An accuracy that is not what the error says: the network's own numbers come first.
    return {"accuracy": 0.5, "macs": 9e9, "error": error, "mean_macs": mean_macs, "exits": _COUNTS}


def static(accuracy: float, macs: int) -> dict[str, Any]:
    # A static net logs the cost of each image too, as a number.
    return {"accuracy": accuracy, "macs": macs, "executed_macs": float(macs)}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Folders of runs: static nets, actors of which one has not finished, and a network that is told its cost."""
    root = tmp_path / "runs"
    for columns, accuracy, macs in ((1, 0.75, 1_000_000), (2, 0.875, 4_000_000)):
        write_run(root / "hybrid_static" / f"decide_static{columns}", static(accuracy, macs))
    for cost, error, macs in ((1.6e-8, 0.25, 5e5), (0.0, 0.0625, 3e6), (8e-9, 0.125, 2e6)):
        folder = root / "hybrid_actor" / f"computation_cost_{cost}"
        write_run(folder, left_early(error, macs), computation_cost=cost)
    write_run(root / "hybrid_actor" / "computation_cost_3.2e-08", None, computation_cost=3.2e-8)
    by_cost = [
        {
            "computation_cost": cost,
            **{key: value for key, value in left_early(error, macs).items() if key != "accuracy"},
        }
        for cost, error, macs in ((0.0, 0.25, 3e6), (8e-9, 0.5, 1e6))
    ]
    told = {"accuracy": 0.5, "macs": 9e9, "by_cost": by_cost}
    write_run(root / "hybrid_dynamic" / "default", told, dynamic_cost=True)
    return root


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    return saved_figures(monkeypatch)


def draw(output: Path, name: str, *words: str | Path) -> None:
    assert main(["figures", name, *map(str, words), "--output", str(output)]) == 0
    assert output.is_file()


def points(axes: Any) -> dict[str, list[list[float]]]:
    return {line.get_label(): line.get_xydata().tolist() for line in axes.get_lines()}


STATIC_POINTS = [[1.0, 0.25], [4.0, 0.125]]
ACTOR_POINTS = [[0.5, 0.25], [2.0, 0.125], [3.0, 0.0625]]
TOLD_POINTS = [[1.0, 0.5], [3.0, 0.25]]


def test_a_folder_is_a_curve(
    runs: Path, figures: list[Figure], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [runs / name for name in ("hybrid_static", "hybrid_actor", "hybrid_dynamic")]
    draw(tmp_path / "curves.png", "error_curves", *folders)
    (axes,) = figures[0].axes
    expected = {"hybrid static": STATIC_POINTS, "hybrid actor": ACTOR_POINTS, "hybrid dynamic": TOLD_POINTS}
    assert points(axes) == expected
    assert figures[0].get_suptitle() == "Error and executed cost, hybrid"
    assert capsys.readouterr().out.splitlines() == [
        f"Skipping {runs}/hybrid_actor/computation_cost_3.2e-08: it has not finished; the command that began it "
        "continues it.",
        f"The figure is in {tmp_path}/curves.png.",
    ]


def test_the_folder_of_a_run_is_a_curve_too(runs: Path, figures: list[Figure], tmp_path: Path) -> None:
    draw(tmp_path / "curves.svg", "error_curves", runs / "hybrid_actor" / "computation_cost_8e-09")
    assert points(figures[0].axes[0]) == {"computation cost 8e-09": [[2.0, 0.125]]}


def test_networks_that_are_told_their_cost_have_curves_of_their_own(
    runs: Path, figures: list[Figure], tmp_path: Path
) -> None:
    (runs / "hybrid_dynamic" / "default").rename(runs / "hybrid_actor" / "told")
    draw(tmp_path / "curves.png", "error_curves", runs / "hybrid_actor")
    assert points(figures[0].axes[0]) == {"hybrid actor": ACTOR_POINTS, "hybrid actor, told": TOLD_POINTS}


def test_panels_have_folders_of_their_own(
    runs: Path, figures: list[Figure], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(runs / "unfinished" / "run", None)
    fixed, actor, told = (runs / name for name in ("hybrid_static", "hybrid_actor", "hybrid_dynamic"))
    words = [fixed, actor, "--panel", fixed, told, "--panel", runs / "unfinished"]
    draw(tmp_path / "curves.png", "error_curves", *words)
    assert [list(points(axes)) for axes in figures[0].axes] == [
        ["hybrid static", "hybrid actor"],
        ["hybrid static", "hybrid dynamic"],
    ]
    # Read once, though shown twice.
    assert capsys.readouterr().out.count("Skipping") == 2
    draw(tmp_path / "others.png", "error_curves", "--panel", fixed)
    assert points(figures[1].axes[0]) == {"hybrid static": STATIC_POINTS}


def test_networks_that_skip_have_their_mean_cost(figures: list[Figure], tmp_path: Path) -> None:
    skipping = {"accuracy": 0.75, "macs": 9_000_000, "executed_macs": {"mean": 3e6, "most": 5e6}}
    draw(tmp_path / "curves.png", "error_curves", write_run(tmp_path / "drn", skipping, dataset="cifar10"))
    assert points(figures[0].axes[0]) == {"drn": [[3.0, 0.25]]}
    assert figures[0].get_suptitle() == "Error and executed cost, cifar10"


def test_exits_are_rows_from_the_lowest_cost_up(runs: Path, figures: list[Figure], tmp_path: Path) -> None:
    draw(tmp_path / "exits.png", "exits", runs / "hybrid_actor")
    (axes,) = figures[0].axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cost 0", "cost 8e-09", "cost 1.6e-08"]
    assert legend_labels(figures[0]) == ["correct", "incorrect"]
    # Two slices of the first exit, and two of the second, in each row.
    assert len(axes.patches) == 12
    np.testing.assert_allclose([each.theta2 - each.theta1 for each in axes.patches[:2]], [360 * 50 / 55, 360 * 5 / 55])


def test_exits_by_class_of_several_folders(
    runs: Path, figures: list[Figure], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = runs / "hybrid_actor" / "computation_cost_0.0"
    folders = [runs / "hybrid_dynamic", alone, runs / "hybrid_actor", runs / "hybrid_static"]
    draw(tmp_path / "exits.png", "exits", *folders, "--by", "class")
    (axes,) = figures[0].axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        *("hybrid dynamic, at cost 0", "hybrid dynamic, at cost 8e-09", "computation cost 0.0"),
        *("hybrid actor, cost 0", "hybrid actor, cost 8e-09", "hybrid actor, cost 1.6e-08"),
    ]
    assert legend_labels(figures[0]) == _NAMES
    np.testing.assert_allclose([each.theta2 - each.theta1 for each in axes.patches[:2]], [360 * 45 / 55, 360 * 10 / 55])
    assert f"Skipping {runs}/hybrid_static/decide_static1: its images all leave at the end." in capsys.readouterr().out


def test_runs_of_one_cost_are_told_apart_by_their_folders(runs: Path, figures: list[Figure], tmp_path: Path) -> None:
    write_run(runs / "hybrid_actor" / "seed_1", left_early(0.5, 1e6), computation_cost=8e-9)
    draw(tmp_path / "exits.png", "exits", runs / "hybrid_actor")
    labels = [label.get_text() for label in figures[0].axes[0].get_yticklabels()]
    assert labels == ["computation cost 0.0", "computation cost 8e-09", "seed 1", "computation cost 1.6e-08"]


def test_exits_over_training_are_those_of_the_log(runs: Path, figures: list[Figure], tmp_path: Path) -> None:
    draw(tmp_path / "over.png", "exits_over_training", runs / "hybrid_actor")
    maps = [axes for axes in figures[0].axes if axes.images]
    assert [axes.get_title() for axes in maps] == ["cost 0", "cost 8e-09", "cost 1.6e-08"]
    for axes in maps:
        np.testing.assert_array_equal(axes.images[0].get_array(), [[0.75, 0.0, 0.25], [0.25, 0.5, 0.25]])
        assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "2", "10"]


def test_samples_are_training_images_that_the_seed_draws(
    figures: list[Figure], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset_figures, "_SAMPLES", 20)
    for seed in ("0", "0", "1"):
        draw(tmp_path / "samples.png", "samples", "--dataset", "digits", "--seed", seed)
    first, again, other = ([axes.images[0].get_array() for axes in figure.axes] for figure in figures)
    np.testing.assert_array_equal(first, again)
    assert len(first) == 20 and not np.array_equal(first, other)
    train, shown = data.load("digits").train, set()
    for axes, image in zip(figures[0].axes, first, strict=True):
        (same,) = np.flatnonzero((train.images == np.round(image * 255)).all(axis=(1, 2, 3)))[:1]
        assert axes.get_title() == str(train.labels[same])
        shown.add(int(same))
    assert len(shown) == 20 and figures[0].get_suptitle() == "Training images of digits"


@pytest.mark.usefixtures("eagerly")
def test_what_training_leaves_can_be_drawn(figures: list[Figure], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = ImageSet(rng.integers(0, 256, (16, 8, 8, 3)).astype("uint8"), np.arange(16) % 2)
    recipe = Recipe("tiny", "Two epochs", epochs=2, batch_size=8, learning_rate=0.05)
    folder = tmp_path / "runs" / "actor" / "default"
    record = fit(
        "decide_chain8",
        Dataset("noise", images, images, _NAMES, True),
        recipe,
        folder,
        model_arguments={"tree": _SMALL},
    )
    for name in ("error_curves", "exits", "exits_over_training"):
        draw(tmp_path / f"{name}.png", name, folder.parent)
    curves, diagram, over = figures
    final = record["final"]
    assert points(curves.axes[0]) == {"actor": [[final["mean_macs"] / 1e6, final["error"]]]}
    assert [label.get_text() for label in diagram.axes[0].get_xticklabels()] == ["1", "2"]
    shares = np.array([sum(map(sum, final["exits"][leaf].values())) / 16 for leaf in ("exit_1", "exit_2")])
    np.testing.assert_allclose(over.axes[0].images[0].get_array()[-1], shares, atol=1e-6)


def failed(words: list[str | Path], output: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["figures", *map(str, words), "--output", str(output)]) == 1
    assert not output.exists()
    error = capsys.readouterr().err
    assert error.startswith("tf-routing figures: ")
    return error


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["error_curve", "a"], "Unknown figure 'error_curve'. Did you mean: error_curves, structure?"),
        (["exits"], "`folders` must name at least one folder for the figure 'exits'. Received: none"),
        (["samples", "a"], "`folders` means nothing to the figure 'samples'. Received: folders=['a']"),
        (["exits", "a", "--panel", "b"], "`panel` means nothing to the figure 'exits'. Received: panel=[['b']]"),
        (["exits", "a", "--seed", "0"], "`seed` means nothing to the figure 'exits'. Received: seed=0"),
        (["exits", ".", "--by", "classes"], "`by` must be one of 'correctness', 'class'. Received: by='classes'"),
        (["samples", "--seed", "-1"], "`seed` must be an integer of at least zero. Received: seed=-1"),
        (["samples", "--dataset", "cifar11"], "Unknown dataset 'cifar11'. Did you mean: "),
        (["exits", "."], ". holds no run: neither a run.json nor folders with one."),
        (["exits", "nowhere"], "There is no nowhere: a folder of a run, or of runs, is needed."),
    ],
)
def test_a_wrong_argument_is_named(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in failed([*words], tmp_path / "figure.png", capsys)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["figure", "figure.xyz"])
def test_an_unknown_ending_lists_the_known(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    error = failed(["exits", "nowhere"], tmp_path / name, capsys)
    assert "`output` must end in one of " in error and ".pdf" in error and ".png" in error
    assert f"Received: output='{tmp_path / name}'" in error


@pytest.mark.parametrize("name", ["error_curves", "exits", "exits_over_training"])
def test_nothing_finished_is_said(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_run(tmp_path / "runs" / "one", None).parent
    assert f"No run in {folder} has finished" in failed([name, folder], tmp_path / "figure.png", capsys)


def test_static_nets_have_no_exits_to_draw(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_run(tmp_path / "static", static(0.5, 1000))
    (folder / "log.csv").write_text("epoch,loss,val_loss\n1,0.5,0.5\n", "utf-8")
    for name in ("exits", "exits_over_training"):
        error = failed([name, folder], tmp_path / "figure.png", capsys)
        assert f"No run in {folder} is of a network that leaves early." in error


def test_runs_of_other_classes_do_not_mix(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = runs / "hybrid_actor" / "computation_cost_0.0" / "run.json"
    file.write_text(file.read_text("utf-8").replace('"dog"', '"frog"'), "utf-8")
    error = failed(["exits", runs / "hybrid_actor"], tmp_path / "figure.png", capsys)
    assert "`folders` must hold runs of the same classes. Received: " in error and "frog" in error


def test_static_nets_among_others_may_have_any_classes(runs: Path, figures: list[Figure], tmp_path: Path) -> None:
    file = runs / "hybrid_static" / "decide_static1" / "run.json"
    file.write_text(file.read_text("utf-8").replace('"dog"', '"frog"'), "utf-8")
    draw(tmp_path / "exits.png", "exits", runs / "hybrid_actor", runs / "hybrid_static")
    assert len(figures[0].axes[0].get_yticklabels()) == 3


def test_a_dataset_that_is_not_in_memory_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = ImageStream(("a.tfrecord",), 10)
    monkeypatch.setattr(dataset_figures.data, "load", lambda *_: Dataset("imagenet2012", stream, stream, _NAMES, True))
    error = failed(["samples", "--dataset", "imagenet2012"], tmp_path / "figure.png", capsys)
    assert "`dataset` must be one in memory: digits, " in error and "Received: dataset='imagenet2012'" in error


@pytest.mark.parametrize(
    ("content", "message"), [("{", "run.json cannot be read: "), ("[]", "run.json is no record of a run")]
)
def test_a_broken_record_is_named(content: str, message: str, tmp_path: Path) -> None:
    write_run(tmp_path / "run", None).joinpath("run.json").write_text(content, "utf-8")
    with pytest.raises(ValueError, match=message):
        finished_runs(str(tmp_path))


def test_a_broken_network_is_named(tmp_path: Path) -> None:
    (run,) = finished_runs(str(write_run(tmp_path, left_early(0.5, 1.0))))
    (tmp_path / "model.keras").write_bytes(b"no model")
    with pytest.raises(ValueError, match="model.keras holds no Keras model"):
        trained_tree(run)
    (tmp_path / "model.keras").unlink()
    with pytest.raises(FileNotFoundError, match="There is no trained model at"):
        trained_tree(run)
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        archive.writestr("config.json", '{"config": {"layers": [{"config": {}}]}}')
    with pytest.raises(ValueError, match="holds a network without exits"):
        trained_tree(run)


def test_logs_are_read_in_the_order_of_exits(tmp_path: Path) -> None:
    run = FinishedRun(write_run(tmp_path, None), {})
    assert logged_shares(run) == {"exit_1": [0.75, 0.25], "exit_2": [0.0, 0.5], "exit_10": [0.25, 0.25]}


def test_the_same_name_in_two_places_is_told_apart() -> None:
    folders = [
        "first/hybrid_actor",
        "second/hybrid_actor/",
        "second/hybrid_tree",
        "first/./hybrid_tree/../hybrid_actor",
    ]
    labels = ["first hybrid actor", "second hybrid actor", "hybrid tree", "first hybrid actor"]
    assert list(folder_labels(folders).values()) == labels


def test_every_figure_has_its_function_and_the_command_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    for figure in FIGURES.values():
        parameters = list(inspect.signature(figure.load()).parameters)
        together = Shown._fields if figure.shows_network else ()
        own = [option for option in figure.options if option not in together]
        assert parameters == ["output", *(["shown"] if together else []), *own]
    with pytest.raises(SystemExit) as stopped:
        main(["figures", "--help"])
    assert stopped.value.code == 0
    printed = "".join(capsys.readouterr().out.split())
    assert all(name in printed for name in list_figures())
    options = {option for figure in FIGURES.values() for option in figure.options} - {"folders"}
    assert all(f"--{option}" in printed for option in options)


def test_help_does_not_wait_for_keras() -> None:
    code = (
        "import sys; from tf_routing.cli.main import main\n"
        "try: main(['figures', '--help'])\n"
        "except SystemExit: sys.exit('keras' in sys.modules or 'matplotlib' in sys.modules)"
    )
    root = Path(tf_routing.__file__).parents[1]
    finished = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
