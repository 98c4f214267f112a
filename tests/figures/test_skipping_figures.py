"""Figures of networks that skip, and of compared methods, by command: what runs and tables hold is what they draw."""

from pathlib import Path

import keras
import numpy as np
import pytest
from matplotlib.figure import Figure

import tf_routing
from tests.analysis.drawn import legend_labels, saved_figures
from tf_routing import data, zoo
from tf_routing.cli.main import main
from tf_routing.support.files import write_json
from tf_routing.zoo.architectures import ARCHITECTURES

pytestmark = pytest.mark.usefixtures("eagerly")


@pytest.fixture(scope="module")
def network() -> keras.Model:
    """A net of three blocks that decides differently for digits, without training."""
    line = ARCHITECTURES["drn_resnet32"]
    with pytest.MonkeyPatch.context() as patch:
        small = line._replace(arguments={**line.arguments, "stage_blocks": (1, 1, 1)})
        patch.setitem(ARCHITECTURES, "drn_resnet32", small)
        keras.utils.set_random_seed(3)
        shape = data.load("digits").image_shape
        model = zoo.get("drn_resnet32", width_multiplier=0.25, input_shape=shape, classes=10)
    tf_routing.calibrate(model, _images()[:100], rate=0.5)
    return model


def _images() -> np.ndarray:
    return data.load("digits").test.images / np.float32(255)


@pytest.fixture(scope="module")
def run(network: keras.Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of its run."""
    folder = tmp_path_factory.mktemp("runs") / "skipping"
    arguments = {"model": "drn_resnet32", "dataset": "digits", "recipe": {}, "model_arguments": {}}
    final = {"accuracy": 0.75, "macs": 3_000_000, "executed_macs": {"mean": 2_000_000.0}}
    names = list(data.load("digits").class_names)
    write_json(folder / "run.json", {"arguments": arguments, "class_names": names, "final": final})
    network.save(folder / "model.keras")
    return folder


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    return saved_figures(monkeypatch)


def draw(output: Path, name: str, *words: str | Path) -> None:
    assert main(["figures", name, *map(str, words), "--output", str(output)]) == 0
    assert output.is_file()


def failed(capsys: pytest.CaptureFixture[str], output: Path, name: str, *words: str | Path) -> str:
    assert main(["figures", name, *map(str, words), "--output", str(output)]) == 1
    assert not output.exists()
    return capsys.readouterr().err


def test_the_histogram_is_of_what_all_test_images_execute(
    run: Path, network: keras.Model, figures: list[Figure], tmp_path: Path
) -> None:
    draw(tmp_path / "cost.png", "executed_cost", run)
    executed = network.cost(_images())
    assert len(np.unique(executed)) > 2
    mean, static = (line.get_xdata()[0] for line in figures[0].axes[0].get_lines())
    assert mean == pytest.approx(executed.mean() / 1e6) and static == pytest.approx(network.static_cost / 1e6)
    assert figures[0].get_suptitle() == "Executed cost, drn_resnet32 on digits"


def test_easy_and_hard_images_are_the_extremes_of_their_class(
    run: Path, network: keras.Model, figures: list[Figure], tmp_path: Path
) -> None:
    draw(tmp_path / "easy.png", "easy_and_hard", run, "--classes", "7", "2", "--rows", "1")
    images, labels, executed = _images(), data.load("digits").test.labels, network.cost(_images())
    shown = [axes for axes in figures[0].axes if axes.images]
    assert [axes.get_title() for axes in shown] == ["7", "2", "", ""]
    for axes, label, extreme in zip(shown, (7, 2, 7, 2), (np.min, np.min, np.max, np.max), strict=True):
        wanted = extreme(executed[labels == label])
        assert axes.get_xlabel() == f"{wanted / 1e6:,.4g} M MACs"
        first = np.flatnonzero((labels == label) & (executed == wanted))[0]
        np.testing.assert_allclose(axes.images[0].get_array(), images[first].squeeze(), atol=1e-6)


def test_groups_hold_any_classes(run: Path, network: keras.Model, figures: list[Figure], tmp_path: Path) -> None:
    draw(tmp_path / "rates.png", "execution_rates", run, "--groups", "round=0,8", "straight=1,7,8")
    (table,) = [axes.images[0].get_array() for axes in figures[0].axes if axes.images]
    labels, routes = data.load("digits").test.labels, network.routes(_images())
    for row, members in zip(table, ((0, 8), (1, 7, 8)), strict=True):
        wanted = [switches[np.isin(labels, members)].mean() for switches in routes.values()]
        np.testing.assert_allclose(row, wanted, rtol=1e-6)
    assert [tick.get_text() for tick in figures[0].axes[0].get_yticklabels()] == ["round", "straight"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--groups", "round"], "A group must be written name=class,class"),
        (["--groups", "round=0,zero"], "Unknown class 'zero'"),
        (["--groups", "a=1", "a=2"], "`groups` must have names that differ"),
        ([], "`groups` must name at least one group"),
    ],
)
def test_wrong_groups_are_refused(
    words: list[str], message: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in failed(capsys, tmp_path / "rates.png", "execution_rates", run, *words)


@pytest.mark.parametrize("name", ["executed_cost", "easy_and_hard"])
def test_a_network_that_skips_nothing_names_the_command_that_makes_one(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    zoo.get("basecnn", width_multiplier=0.125).save(tmp_path / "plain.keras")
    error = failed(capsys, tmp_path / "figure.png", name, "--model", tmp_path / "plain.keras", "--dataset", "digits")
    assert "a network whose images skip parts" in error and "tf-routing fit --model dmnn50_cifar_n2" in error


def test_runs_stand_beside_what_papers_report_and_points_of_a_file(
    run: Path, figures: list[Figure], tmp_path: Path
) -> None:
    points = tmp_path / "points.csv"
    points.write_text("method,label,macs,error\nSkipNet,a,100e6,6.5\nSkipNet,b,150e6,6.4\n", "utf-8")
    draw(tmp_path / "methods.png", "compared_methods", run, "--comparison", "drn_cifar10", "--points", points)
    lines = {line.get_label(): line.get_xydata().tolist() for line in figures[0].axes[0].get_lines()}
    assert legend_labels(figures[0]) == ["ResNet", "DRN, ResNet-110", "SkipNet", "skipping, trained here"]
    assert lines["skipping, trained here"] == [[2.0, 25.0]]
    assert lines["SkipNet"] == [[100.0, 6.5], [150.0, 6.4]]


@pytest.mark.parametrize(
    ("content", "message"),
    [("method,label,macs\na,b,3\n", "Line 2 lacks: ['error']"), ("method,label,macs,error\na,b,x,3\n", "line 2")],
)
def test_wrong_points_are_refused(
    content: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    points = tmp_path / "points.csv"
    points.write_text(content, "utf-8")
    assert message in failed(capsys, tmp_path / "methods.png", "compared_methods", "--points", points)


def test_structures_are_drawn_of_names_and_of_runs(
    figures: list[Figure], tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw(tmp_path / "structure.png", "structure", "--architecture", "basecnn_2cp")
    texts = [text.get_text() for text in figures[0].axes[0].texts]
    assert texts[:3] == ["CP-C32", "C32", "C32"] and "average" in texts
    assert "skip parts" in failed(capsys, tmp_path / "none.png", "structure", run)
    both = failed(capsys, tmp_path / "none.png", "structure", run, "--architecture", "basecnn_2cp")
    assert "`architecture` stands in place of a run" in both
