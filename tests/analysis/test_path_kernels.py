"""Kernels of paths are compared layer by layer, each value once."""

from pathlib import Path

import numpy as np
import pytest

from tests.analysis.drawn import legend_labels, saved_figures
from tests.analysis.pictures import size_of
from tf_routing import zoo
from tf_routing.analysis import PathKernels, draw_weight_histograms, path_kernels, path_layers

SIZE = {"input_shape": (16, 16, 3), "width_multiplier": 0.125}


def test_convolutions_are_counted_through_and_dense_layers_after_them() -> None:
    model = zoo.get("basecnn_3cc", **SIZE)
    layers = ["conv_1", "conv_2", "conv_3", "conv_4", "conv_5", "conv_6", "dense_1", "dense_2", "head"]
    assert list(path_layers(model)) == layers
    for number, name in enumerate(layers[:-1], 1):
        (by_number,), (by_name,) = path_kernels(model, [str(number)]), path_kernels(model, [name])
        assert by_number.label == by_name.label == f"layer {number}, {name}"
        for path, kernel in enumerate(by_number.kernels, 1):
            np.testing.assert_array_equal(kernel, np.ravel(model.get_layer(f"path_{path}_{name}").kernel))
        assert len(by_number.kernels) == 3
    (head,) = path_kernels(model, ["path_2_head"])
    assert head.label == "head"


def test_a_cross_prediction_counts_as_the_layer_that_it_replaces() -> None:
    model = zoo.get("basecnn_2cp", **SIZE)
    (first, third, last) = path_kernels(model, [1, 3, 8])
    assert [each.label for each in (first, third, last)] == ["layer 1, route_1", "layer 3, route_2", "layer 8, route_4"]
    route = model.get_layer("route_2")
    for j, kernel in enumerate(third.kernels):
        expected = np.concatenate([np.ravel(route.predictions[i][j].kernel) for i in range(2)])
        np.testing.assert_array_equal(kernel, expected)


@pytest.mark.parametrize("name", ["resnet20_2cc", "resnet50_2cc"])
def test_residual_nets_by_layer_name(name: str) -> None:
    model = zoo.get(name, width_multiplier=0.125, input_shape=(64, 64, 3), classes=5)
    groups = path_layers(model)
    assert all(len(paths) == 2 for paths in groups.values())
    own = [each.name for each in model.layers if each.name.startswith("path_1_") and hasattr(each, "kernel")]
    assert {f"path_1_{group}" for group in groups} == set(own)
    chosen = list(groups)[3]
    (kernels,) = path_kernels(model, [chosen])
    np.testing.assert_array_equal(kernels.kernels[1], np.ravel(model.get_layer(f"path_2_{chosen}").kernel))


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("conv_7", "Unknown layer 'conv_7'. Did you mean: conv_"),
        ("path_1_dense_3", "Unknown layer 'path_1_dense_3'"),
        ("9", "`layers` must be names or numbers from 1 to 8 of the layers on the paths of 'basecnn_2cc': conv_1, "),
        (0, "Received: 0"),
    ],
)
def test_a_wrong_layer_lists_what_there_is(layer: str | int, message: str) -> None:
    with pytest.raises(ValueError) as error:
        path_kernels(zoo.get("basecnn_2cc", **SIZE), [layer])
    assert message in str(error.value)


def test_one_path_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="'basecnn' has one path"):
        path_kernels(zoo.get("basecnn", **SIZE), [1])


def test_histograms_count_every_value_in_bins_that_paths_share(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    figures = saved_figures(monkeypatch)
    rng = np.random.default_rng(0)
    layers = [
        PathKernels(f"layer {n}", [rng.normal(0, 0.1 * n, 500).astype("float32") for _ in range(3)])
        for n in range(1, 6)
    ]
    zeros = PathKernels("zeros", [np.zeros(9)] * 3)
    draw_weight_histograms([*layers, zeros], tmp_path / "kernels.png", bins=20, title="Kernels")
    (figure,) = figures
    shown = [axes for axes in figure.axes if axes.patches]
    assert [axes.get_title() for axes in shown] == [*(f"layer {n}" for n in range(1, 6)), "zeros"]
    assert legend_labels(figure) == ["path 1", "path 2", "path 3"]
    for axes, layer in zip(shown, [*layers, zeros], strict=True):
        filled = axes.patches[::2]
        most = max(np.abs(kernel).max() for kernel in layer.kernels) or 1.0
        for bars, kernel in zip(filled, layer.kernels, strict=True):
            counts, edges, _ = bars.get_data()
            np.testing.assert_allclose(edges, np.linspace(-most, most, 21), rtol=1e-6)
            assert counts.sum() == len(kernel)
            np.testing.assert_array_equal(counts, np.histogram(kernel, edges)[0])
    colors = [[bars.get_facecolor() for bars in axes.patches[::2]] for axes in shown]
    assert all(each == colors[0] for each in colors) and len(set(colors[0])) == 3
    size_of(tmp_path / "kernels.png")


@pytest.mark.parametrize("layers", [[], [PathKernels("a", [np.ones(3)] * 2), PathKernels("b", [np.ones(3)] * 3)]])
def test_what_cannot_be_drawn_leaves_no_file(layers: list[PathKernels], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`layers` must hold kernels of the same paths. Received numbers of paths: "):
        draw_weight_histograms(layers, tmp_path / "kernels.png")
    assert list(tmp_path.iterdir()) == []
