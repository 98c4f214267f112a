"""ONNX files that skip compute what the masked network computes, on any number of images, and on no other rows."""

import json
from collections import defaultdict
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")

import onnx
import onnxruntime

from tests import exit_net, gated_net, skip_net
from tf_routing import calibrate, execution, fold_batch_norm, layers, onnx_export, zoo
from tf_routing.cli.commands import export as command
from tf_routing.exporting.onnx_writing.model import write_skipping
from tf_routing.models import RoutedModel

COUNTS = (0, 1, 5, 33)


def exits(tree: dict[str, Any], **arguments: Any) -> RoutedModel:
    """A network that is left at every exit."""
    model = exit_net.exit_model(tree, **arguments)
    exit_net.vary(model)
    if not arguments:
        exit_net.balance(model)
    return model


def forced() -> RoutedModel:
    """A network whose blocks without a shortcut switch a part on where none would be."""
    keras.utils.set_random_seed(3)
    image = keras.Input((6, 6, 3), name="image")
    switches, _ = layers.Controller(3, force_one=True, init_open_rate=0.3, seed=1, name="controller")(image)
    parts = []
    for number in range(3):
        maps = keras.Input((6, 6, 3))
        own = keras.layers.Conv2D(5, 3, 2, padding="same", name="conv")(maps[..., number : number + 1])
        parts.append(keras.Model(maps, own, name=f"part_{number}"))
    x = layers.SplitBlock(parts, None, "relu", name="block")(image, switches)
    x = keras.layers.Dense(4, "softmax", name="head")(keras.layers.Flatten(name="flat")(x))
    return RoutedModel(image, x, name="forced")


def signed() -> RoutedModel:
    """A network whose first block reads numbers below zero, which its ReLU takes from those that choose nothing too."""
    keras.utils.set_random_seed(5)
    image = keras.Input((6, 6, 3), name="image")
    x, state = keras.layers.Rescaling(2.0, -1.0, name="shifted")(image), ()
    for block, activation in enumerate(("relu", "tanh", "relu"), 1):
        switches, *state = layers.Controller(2, seed=block, name=f"controller_{block}")(x, *state)
        maps = keras.Input((6, 6, 3))
        parts = [
            keras.Model(maps, keras.layers.Conv2D(3, 3, padding="same", name="conv")(maps), name=f"part_{n}")
            for n in (1, 2)
        ]
        x = layers.SplitBlock(parts, "identity", activation, name=f"block_{block}")(x, switches)
    x = keras.layers.Dense(4, "softmax", name="head")(keras.layers.Flatten(name="flat")(x))
    return RoutedModel(image, x, name="signed")


def alike() -> RoutedModel:
    """A network of parts that are rows of alike convolutions, with biases; the second block changes the shape."""
    keras.utils.set_random_seed(6)
    x, state = keras.Input((6, 6, 3), name="image"), ()
    image, draw = x, np.random.default_rng(6)
    for block, (filters, strides, middle) in enumerate(((3, 1, 2), (5, 2, 1), (5, 1, 0)), 1):
        switches, *state = layers.Controller(2, seed=block, name=f"controller_{block}")(x, *state)
        parts = []
        for number in (1, 2):
            y = maps = keras.Input(x.shape[1:])
            for width, size in [(7, 1), *[(7, 3)] * middle]:
                y = keras.layers.Conv2D(width, size, strides if size == 1 else 1, "same")(y)
                y = keras.layers.ReLU()(y)
            part = keras.Model(maps, keras.layers.Conv2D(filters, 1, padding="same")(y), name=f"part_{number}")
            for weight in part.weights:
                weight.assign(draw.normal(0, 0.4, weight.shape))
            parts.append(part)
        maps = keras.Input(x.shape[1:])
        shortcut = keras.Model(maps, keras.layers.Conv2D(filters, 1, strides)(maps)) if strides > 1 else "identity"
        x = layers.SplitBlock(parts, shortcut, "relu", name=f"block_{block}")(x, switches)
    x = keras.layers.Dense(4, "softmax", name="head")(keras.layers.Flatten(name="flat")(x))
    return RoutedModel(image, x, name="alike")


def kept() -> RoutedModel:
    """A network of which a rule keeps two of three blocks."""
    keras.utils.set_random_seed(4)
    return zoo.get(
        "drn_resnet32", width_multiplier=0.125, input_shape=(8, 8, 3), classes=4, decision="distributed", keep=7
    )


FAMILIES: dict[str, tuple[Callable[[], RoutedModel], tuple[int, ...]]] = {
    "drn": (skip_net.skip_model, skip_net.SHAPE),
    "drn_conv": (partial(skip_net.skip_model, router="conv"), skip_net.SHAPE),
    "drn_recurrent": (partial(skip_net.skip_model, router="recurrent"), skip_net.SHAPE),
    "drn_kept": (kept, (8, 8, 3)),
    "dmnn": (gated_net.gated_model, (6, 6, 3)),
    "dmnn_forced": (forced, (6, 6, 3)),
    "dmnn_signed": (signed, (6, 6, 3)),
    "dmnn_alike": (alike, (6, 6, 3)),
    "chain": (partial(exits, exit_net.CHAIN), exit_net.SHAPE),
    "branches": (partial(exits, exit_net.BRANCHES), exit_net.SHAPE),
    "chain_in_one_graph": (partial(exits, exit_net.CHAIN), exit_net.SHAPE),
    "branches_in_one_graph": (partial(exits, exit_net.BRANCHES), exit_net.SHAPE),
}


@cache
def net(family: str) -> tuple[RoutedModel, np.ndarray]:
    """A folded network and images that it sends different ways."""
    build, shape = FAMILIES[family]
    model = build()
    draw = np.random.default_rng(31)
    images = (draw.uniform(size=(33, *shape)) * draw.uniform(size=(33, 1, 1, 3))).astype("float32")
    if family.startswith(("drn", "dmnn")) and family != "drn_kept":
        calibrate(model, images, rate=0.5)
    folded = fold_batch_norm(model)
    folded.execution = "masked"
    return folded, images


@cache
def file(family: str) -> Any:
    """The file of a network."""
    return write_skipping(net(family)[0], subgraphs="in_one_graph" not in family)


def answers(proto: Any, images: np.ndarray, **beside: np.ndarray) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(None, {"images": images, **beside}), strict=True))


def assert_same(found: dict[str, np.ndarray], model: RoutedModel, x: Any) -> None:
    """Checks everything that a file gives against the masked network."""
    expected = np.asarray(model(x, training=False))
    assert found["probabilities"].shape == expected.shape
    np.testing.assert_allclose(found["probabilities"], expected, rtol=0, atol=1e-5)
    assert set(found) == {"probabilities", "classes", "macs", *model.decision_names}
    count = len(expected)
    for name, decision in (model.routes(x) if count else {}).items():
        np.testing.assert_array_equal(found[name], decision, err_msg=name)
    costs = model.cost(x) if count else np.zeros(0, "int64")
    assert found["macs"].dtype == costs.dtype and found["classes"].dtype == np.int32
    np.testing.assert_array_equal(found["macs"], costs)
    known = ~np.isnan(expected).any(axis=1)
    np.testing.assert_array_equal(found["classes"], np.where(known, found["probabilities"].argmax(axis=1), -1))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_file_answers_as_the_masked_network(family: str) -> None:
    model, images = net(family)
    for count in COUNTS:
        assert_same(answers(file(family), images[:count]), model, images[:count])
    routes = np.concatenate(list(model.routes(images).values()), axis=1)
    assert len(np.unique(routes, axis=0)) > 2 or family == "drn_kept"


@pytest.mark.parametrize(("family", "count"), [("branches", 2), ("branches_in_one_graph", 0), ("drn", 0)])
def test_subgraphs_are_left_out_where_asked(family: str, count: int) -> None:
    assert sum(node.op_type == "If" for node in file(family).graph.node) == count


@pytest.mark.parametrize("family", ["drn", "chain", "chain_in_one_graph"])
def test_an_image_that_holds_no_number_has_no_answer_and_no_route(family: str) -> None:
    model, images = net(family)
    images = images[:4].copy()
    images[1, 2, 2, 0], images[2, 0, 0] = np.nan, -np.inf
    found = answers(file(family), images)
    assert_same(found, model, images)
    assert found["classes"][[1, 2]].tolist() == [-1, -1] and np.isnan(found["probabilities"][1]).all()


def test_what_stands_beside_images_decides_too() -> None:
    model = exits(exit_net.CHAIN, dynamic_cost=True)
    images, costs = exit_net.images(9), np.linspace(0, 1e-6, 9, dtype="float32")
    for count in (0, 9):
        x = {"image": images[:count], "cost": costs[:count, None]}
        found = answers(write_skipping(model), images[:count], cost=costs[:count])
        np.testing.assert_allclose(found["probabilities"], np.asarray(model(x)), rtol=0, atol=1e-5)


def convolved_rows(family: str, images: np.ndarray, folder: Path) -> dict[str, int]:
    """The rows that each convolution of a file ran on, by its name, as the runtime tells."""
    options = onnxruntime.SessionOptions()
    options.enable_profiling, options.profile_file_prefix = True, str(folder / "profile")
    # Fused nodes would have other names.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(file(family).SerializeToString(), options, ["CPUExecutionProvider"])
    session.run(None, {"images": images})
    rows: dict[str, int] = defaultdict(int)
    for event in json.loads(Path(session.end_profiling()).read_text("utf-8")):
        if event.get("args", {}).get("op_name") == "Conv" and event["name"].endswith("_kernel_time"):
            shape = next(iter(event["args"]["input_type_shape"][0].values()))
            rows[event["name"].removesuffix("_kernel_time")] += shape[0]
    return rows


def sum_up(rows: dict[str, int], prefixes: list[str], name: str) -> dict[str, int]:
    """Rows by what follows a prefix, under one name, and all others as they are."""
    summed: dict[str, int] = defaultdict(int)
    for node, count in rows.items():
        (prefix,) = [each for each in prefixes if node.startswith(each + "sub_block")] or [""]
        summed[name + node.removeprefix(prefix) if prefix else node] += count
    return summed


@pytest.mark.parametrize("family", ["drn", "dmnn", "branches", "branches_in_one_graph"])
def test_no_convolution_runs_on_rows_that_did_not_choose_it(family: str, tmp_path: Path) -> None:
    model, images = net(family)
    rows = convolved_rows(family, images, tmp_path)
    routes = model.routes(images)
    if family.startswith("branches"):
        chosen = {"column_2_1": routes["junction_1"][:, 1], "column_2_2": routes["junction_1"][:, 2]}
    elif family == "drn":
        chosen = {f"block_{n}/conv": routes[f"router_{n}"][:, 0] for n in (1, 3)}
    else:
        parts = {1: ("sub_block_1", "sub_block_3"), 2: ("sub_block_2", "sub_block_3", "sub_block_5")}
        # Of the first block rows that chose the same parts run together, of the second each part runs by itself.
        groups = [f"block_1/{group}/" for group in ("sub_block_1", "sub_block_3", "sub_block_1_and_sub_block_3")]
        rows = sum_up(rows, groups, "block_1/")
        chosen = {
            f"block_{n}/{part}/conv": routes[f"controller_{n}"][:, place]
            for n, names in parts.items()
            for place, part in enumerate(names)
        }
    for name, switches in chosen.items():
        own = [count for node, count in rows.items() if node.startswith(name)]
        assert own and set(own) == {int(switches.sum())}, name
        assert 0 < switches.sum() < len(images), name


def test_nobody_chooses_anything_and_everybody_everything(tmp_path: Path) -> None:
    for rate in (0.0, 1.0):
        model, images = skip_net.skip_model(), skip_net.images(5)
        calibrate(model, images, rate=rate)
        onnx_export.export_onnx(model, tmp_path / "net.onnx")
        found = answers(onnx.load(tmp_path / "net.onnx"), images)
        assert_same(found, model, images)
        assert set(np.unique(found["router_2"])) == {rate}


def test_a_layer_that_has_no_operation_is_named(tmp_path: Path) -> None:
    model = skip_net.skip_model()
    features = keras.layers.UnitNormalization(name="normed")(model.get_layer("logits").output)
    strange = RoutedModel(model.input, keras.layers.Softmax(name="probabilities")(features), name="strange")
    with pytest.raises(ValueError, match=r"strange cannot be written as ONNX: .*'normed' of type UnitNorm.*masked"):
        onnx_export.export_onnx(strange, tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []
    onnx_export.export_onnx(strange, tmp_path / "net.onnx", execution="masked")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"execution": "dense"}, "`execution` must be one of 'auto', 'masked', 'sparse'"),
        ({"execution": "sparse"}, "there is nothing to skip. Received: execution='sparse'"),
    ],
)
def test_a_way_that_is_not_possible_is_refused(changed: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=words):
        onnx_export.export_onnx(zoo.get("basecnn", width_multiplier=0.125), tmp_path / "net.onnx", **changed)
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_knows_the_ways_of_execution() -> None:
    assert sorted(command._EXECUTIONS) == sorted(execution.EXECUTIONS)
