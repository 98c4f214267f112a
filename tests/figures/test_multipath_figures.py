"""The figures of multi-path networks by command: what they read from a run and a dataset is what they draw."""

from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
from matplotlib.figure import Figure

from tests.analysis.drawn import saved_figures
from tf_routing import data, zoo
from tf_routing.analysis import synthesize_image
from tf_routing.cli.main import main
from tf_routing.figures import figure_inputs
from tf_routing.models import RoutedModel
from tf_routing.support.files import write_json

pytestmark = pytest.mark.usefixtures("eagerly")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a run on the digits."""
    keras.utils.set_random_seed(3)
    folder = tmp_path_factory.mktemp("runs") / "digits"
    arguments = {"model": "basecnn_2cc", "dataset": "digits", "recipe": {}, "model_arguments": {}}
    write_json(folder / "run.json", {"arguments": arguments, "class_names": [str(n) for n in range(10)]})
    zoo.get("basecnn_2cc", width_multiplier=0.125).save(folder / "model.keras")
    yield folder


@pytest.fixture(scope="module")
def model(run: Path) -> RoutedModel:
    return keras.saving.load_model(run / "model.keras")


@pytest.fixture(scope="module")
def test_images() -> np.ndarray:
    return data.load("digits").test.images / np.float32(255)


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    return saved_figures(monkeypatch)


def draw(output: Path, name: str, *words: str | Path) -> None:
    assert main(["figures", name, *map(str, words), "--output", str(output)]) == 0
    assert output.is_file()


def shown(figure: Figure) -> list[np.ndarray]:
    return [axes.images[0].get_array() for axes in figure.axes if axes.images]


def test_gate_images_are_the_extremes_of_the_test_set(
    run: Path, model: RoutedModel, test_images: np.ndarray, figures: list[Figure], tmp_path: Path
) -> None:
    words = ["--gates", "g[2][2,1]", "g[5][1,2]", "--steps", "3", "--seed", "2"]
    draw(tmp_path / "gates.png", "gate_images", run, *words)
    routes = model.routes(test_images, 256)
    for number, (gate, values) in enumerate(
        {"g[2][2,1]": routes["route_2"][:, 1, 0], "g[5][1,2]": routes["route_5"][:, 0, 1]}.items()
    ):
        drawn = shown(figures[0])[21 * number : 21 * (number + 1)]
        order = np.argsort(values, kind="stable")
        # By value: images of digits may tie in the last bit.
        own = model.routes(np.stack(drawn[:20]))[f"route_{gate[2]}"][:, int(gate[5]) - 1, int(gate[7]) - 1]
        np.testing.assert_allclose(own, [*values[order[::-1][:10]], *values[order[:10]]], rtol=0, atol=1e-6)
        np.testing.assert_allclose(drawn[20], synthesize_image(model, gate, steps=3, seed=2).image, atol=1e-5)
    assert figures[0].texts[-1].get_text() == "What opens gates, basecnn_2cc on digits"


def test_gate_histograms_are_of_all_test_images_of_the_classes(
    run: Path, model: RoutedModel, test_images: np.ndarray, figures: list[Figure], tmp_path: Path
) -> None:
    words = ["--model", run / "model.keras", "--dataset", "digits", "--gates", "g[3][1,1]", "--classes", "7", "0"]
    draw(tmp_path / "histograms.png", "gate_histograms", *words)
    labels = data.load("digits").test.labels
    values = model.routes(test_images, 256)["route_3"][:, 0, 0]
    upper, lower = figures[0].axes
    assert (upper.get_ylabel(), lower.get_ylabel()) == ("7", "0")
    for axes, label in ((upper, 7), (lower, 0)):
        assert axes.patches[0].get_data()[0].sum() == (labels == label).sum()
        assert axes.get_lines()[0].get_xdata()[0] == pytest.approx(values[labels == label].mean(), rel=1e-5)


def test_flows_are_of_the_images_that_are_named(
    run: Path, model: RoutedModel, test_images: np.ndarray, figures: list[Figure], tmp_path: Path
) -> None:
    draw(tmp_path / "flow.png", "routing_flow", run, "--images", "5", "2")
    for image, index in zip(shown(figures[0]), (5, 2), strict=True):
        np.testing.assert_allclose(image, test_images[index], atol=1e-6)
    labels = data.load("digits").test.labels
    assert [axes.get_title() for axes in figures[0].axes[:2]] == [f"{labels[n]}, image {n}" for n in (5, 2)]
    circles = figures[0].axes[2].collections[1::2]
    gates = [gate for each in model.routes(test_images[5:6]).values() for gate in each.ravel()]
    np.testing.assert_allclose([circle.get_alpha() for circle in circles], gates, rtol=1e-4)


def test_weight_histograms_are_of_the_layers_that_are_named(run: Path, figures: list[Figure], tmp_path: Path) -> None:
    draw(tmp_path / "kernels.png", "weight_histograms", run, "--layers", "4", "dense_1")
    titles = [axes.get_title() for axes in figures[0].axes if axes.patches]
    assert titles == ["layer 4, conv 4", "layer 7, dense 1"]


def test_accuracies_need_no_run(figures: list[Figure], tmp_path: Path) -> None:
    words = ["--table", "Table 2", "--source", "reported", "measured"]
    draw(tmp_path / "scatter.svg", "accuracy_by_parameters", *words)
    assert figures[0].get_suptitle() == "Accuracy against parameters, networks of Table 2"
    draw(tmp_path / "scatter.png", "accuracy_by_parameters")
    assert [axes.get_title() for axes in figures[1].axes] == ["cifar10", "cifar100"]


def test_the_run_s_dataset_is_shown_as_the_run_showed_it(model: RoutedModel) -> None:
    record = {"arguments": {"dataset": "digits", "recipe": {"first_classes": 3}}}
    found = figure_inputs.Shown().load_dataset(model, record)
    assert found.classes == 3 and set(found.test.labels) == {0, 1, 2}
    # Another network's images have nothing to do with that.
    assert figure_inputs.Shown(dataset="digits").load_dataset(model, {"arguments": {"dataset": "x"}}).classes == 10


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["gate_images", "RUN"], "`gates` must name at least one gate, for example 'g[2][2,1]', for the figure"),
        (["gate_images", "--gates", "g[1][1,1]"], "`folders` must name at least one folder for the figure"),
        (["gate_images", "RUN", "--gates", "g[9][1,1]"], "Unknown gate 'g[9][1,1]'. Did you mean: "),
        (["gate_images", "RUN", "--gates", "route_2"], "A gate must be written g[l][i,j], for example g[2][2,1]"),
        (["gate_images", "RUN", "--gates", "g[1][1,1]", "--steps", "0"], "`steps` must be a positive integer."),
        (["gate_images", "RUN", "--gates", "g[1][1,1]", "--layers", "1"], "`layers` means nothing to the figure"),
        (["gate_images", "RUN", "RUN", "--gates", "g[1][1,1]"], "One folder of a run, or one `model`, must be given."),
        (["gate_histograms", "RUN", "--gates", "g[1][1,1]"], "`classes` must name at least one class for the figure"),
        (
            ["gate_histograms", "RUN", "--gates", "g[1][1,1]", "--classes", "11"],
            "Unknown class '11'. Did you mean: 1?",
        ),
        (["weight_histograms", "RUN", "--layers", "conv_9"], "Unknown layer 'conv_9'. Did you mean: conv_"),
        (["weight_histograms", "RUN"], "`layers` must name at least one layer for the figure 'weight_histograms'."),
        (["routing_flow", "RUN"], "`images` must name at least one image by its index for the figure"),
        (["routing_flow", "RUN", "--images", "-1"], "`images` must be an integer of at least zero."),
        (["accuracy_by_parameters", "--table", "Table 9"], "Unknown table 'Table 9'. Did you mean: "),
    ],
)
def test_a_wrong_argument_is_named_before_images_are_loaded(
    words: list[str],
    message: str,
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def load(*_: object) -> None:
        raise AssertionError("images are loaded")

    monkeypatch.setattr(data, "load", load)
    given = [str(run) if word == "RUN" else word for word in words]
    assert main(["figures", *given, "--output", str(tmp_path / "figure.png")]) == 1
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--images", "99999"], "`images` must be below "),
        (["--images", "0", "--dataset", "cifar11"], "Unknown dataset 'cifar11'. Did you mean: "),
    ],
)
def test_what_the_dataset_lacks_is_said(
    words: list[str], message: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["figures", "routing_flow", str(run), *words, "--output", str(tmp_path / "figure.png")]) == 1
    assert message in capsys.readouterr().err


def test_a_network_without_a_record_needs_a_dataset(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "alone" / "net.keras"
    copy.parent.mkdir()
    copy.write_bytes((run / "model.keras").read_bytes())
    words = ["routing_flow", "--model", str(copy), "--images", "0", "--output", str(tmp_path / "figure.png")]
    assert main(["figures", *words]) == 1
    assert "`dataset` must be given for a network without the record of its run." in capsys.readouterr().err


def test_images_of_another_size_are_refused(model: RoutedModel) -> None:
    other = zoo.get("basecnn_2cc", width_multiplier=0.125, input_shape=(32, 32, 1))
    with pytest.raises(ValueError, match=r"`dataset` must hold images of shape \(32, 32, 1\) for 'basecnn_2cc'"):
        figure_inputs.Shown(dataset="digits").load_dataset(other, {})
