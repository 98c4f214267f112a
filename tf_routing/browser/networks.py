"""Brings networks into the form that a page runs, ONNX files that skip, and reads back what it must know of them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tf_routing import exit_tree
from tf_routing.exit_tree import Exit, Stage
from tf_routing.prediction.classifier import Classifier
from tf_routing.prediction.onnx_file import load_onnx_file
from tf_routing.support.extras import import_extra
from tf_routing.support.files import whole_file

if TYPE_CHECKING:
    from tf_routing.models import RoutedModel

RELEASED = (("decide_chain8", "hybrid"), ("drn_resnet32", "cifar10"))
"""Networks with released weights, and their tags, that pages run where none is named: of blocks, and of exits."""


class Ink(NamedTuple):
    """How digits are written in the images that a network has learnt from.

    Args:
        box: The longer side of a digit, as a share of the image's height.
        stroke: Width of its lines, as such a share.
        gamma: Power that makes light of pixel values, in which ink and paper blend along its edges.
        ink: Colour of its lines, `#` and six hexadecimal digits.
        paper: Colour around it.
    """

    box: float = 20 / 28
    stroke: float = 0.09
    gamma: float = 1.0
    ink: str = "#ffffff"
    paper: str = "#000000"


# As MNIST has them, unless a set differs: scikit-learn's digits fill their images, those of `hybrid` have colours.
_INK = {"digits": Ink(box=1.0, stroke=0.19), "hybrid": Ink(gamma=2.2, ink="#fff37b", paper="#5a7bba")}


class PageNetwork(NamedTuple):
    """A network of a page.

    Args:
        title: What the page calls it.
        file: Its ONNX file.
        classifier: The file in ONNX Runtime.
        choices: Number of switches by name of the decision, in order of depth.
        tree: The tree of a network with exits, `None` for others, and where the file does not tell.
        static_macs: Of the most expensive route; `None` where the file does not tell.
        ink: How it knows digits.
    """

    title: str
    file: Path
    classifier: Classifier
    choices: Mapping[str, int]
    tree: Stage | Exit | None
    static_macs: int | None
    ink: Ink


def add_network(path: str, file: Path, budget: float | None = None) -> PageNetwork:
    """Writes a network's ONNX file for a page.

    Args:
        path: Folder of a run, a `.keras` file, or an `.onnx` file that `export_onnx` wrote.
        file: Where to write it.
        budget: Share of the static cost to execute on average; see `RoutedModel.set_budget`.

    Raises:
        FileNotFoundError: If there is nothing at `path`.
        ValueError: If it is something else, takes more than images, or skips nothing.
    """
    if path.endswith(".onnx"):
        if budget is not None:
            raise ValueError(f"`budget` must be left out: the thresholds of {path} are fixed. Received: {budget!r}")
        read_network(path, Path(path).stem, Ink())
        with whole_file(file) as temporary:
            temporary.write_bytes(Path(path).read_bytes())
        return read_network(str(file), Path(path).stem, Ink())
    from tf_routing.runs.trained_network import load_trained, run_framing

    model, record = load_trained(path)
    if budget is not None:
        model.set_budget(budget)
    seen = run_framing(record) if record else {}
    dataset = record.get("arguments", {}).get("dataset")
    _export(model, file, record.get("class_names"), **seen)
    title = f"{model.name}, trained on {dataset}" if dataset else model.name
    return read_network(str(file), title, _INK.get(dataset, Ink()))


def add_released(architecture: str, tag: str, file: Path) -> PageNetwork:
    """Writes the ONNX file of a network with released weights.

    Args:
        architecture: A name of the zoo.
        tag: The data that it has learnt.
        file: Where to write it.
    """
    from tf_routing import zoo
    from tf_routing.zoo.weights.releases import find_release

    _export(zoo.get(architecture, weights=tag), file, find_release(architecture, tag)["class_names"])
    return read_network(str(file), f"{architecture}, trained on {tag}", _INK.get(tag, Ink()))


def _export(model: "RoutedModel", file: Path, class_names: Any, **seen: Any) -> None:
    from tf_routing.exporting.onnx import export_onnx, skips

    if not skips(model, "auto"):
        raise ValueError(
            f"{model.name} leaves nothing out: all of it runs for every image, and a page could not show which way one "
            "goes. Give a network whose blocks or exits are chosen per image, such as a run of drn_resnet32."
        )
    export_onnx(model, file, class_names=class_names, **seen)


def read_network(path: str, title: str, ink: Ink) -> PageNetwork:
    """Reads what a page must know of an ONNX file that skips.

    Args:
        path: The file.
        title: What the page calls it.
        ink: How it knows digits.

    Raises:
        FileNotFoundError: If there is no file.
        ValueError: If it is no such file.
    """
    classifier = load_onnx_file(path)
    size = classifier.framing
    answers = classifier.answer(np.zeros((1, size.height, size.width, classifier.channels), "float32"))
    if not answers.switches or answers.macs is None:
        raise ValueError(
            f"{path} leaves nothing out, or does not tell: it has no decisions among its outputs. Give a network whose "
            "blocks or exits are chosen per image, exported without --execution masked."
        )
    choices = {name: each.shape[1] for name, each in answers.switches.items()}
    told = _read_metadata(path)
    described = json.loads(told.get("exit_tree", "null"))
    tree = None if described is None else exit_tree.from_config(described)
    return PageNetwork(title, Path(path), classifier, choices, tree, json.loads(told.get("static_macs", "null")), ink)


def _read_metadata(path: str) -> dict[str, str]:
    onnx = import_extra("onnx", "onnx", "Reading an ONNX file")
    return {each.key: each.value for each in onnx.load(path).metadata_props}
