"""`keras.utils.plot_model` draws every layer and every way between two; skipped where Graphviz is missing."""

import re
import shutil
from pathlib import Path

import keras
import pytest

from tests.report.runs import build
from tf_routing import zoo

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(shutil.which("dot") is None, reason="no Graphviz is installed: apt-get install graphviz"),
]


def _list_ways(model: keras.Model) -> set[tuple[str, str]]:
    """The names of layers of which one reads the other."""
    ways = set()
    for layer in model.layers:
        for node in layer._inbound_nodes:
            ways |= {(parent.operation.name, layer.name) for parent in node.parent_nodes}
    return ways


@pytest.mark.parametrize("kind", ["paths", "skip", "exits", "basecnn_2cc", "dmnn50_cifar_n2"])
def test_every_layer_and_every_way_is_drawn(kind: str, tmp_path: Path) -> None:
    model = zoo.get(kind, width_multiplier=0.125) if "_" in kind else build(kind)
    # With right angles, which Keras draws where nothing is given, Debian's Graphviz 2.43 fails on several paths.
    keras.utils.plot_model(model, tmp_path / "net.svg", show_layer_names=True, splines="polyline")
    drawn = (tmp_path / "net.svg").read_text("utf-8")
    titles = re.findall(r'class="(node|edge)">\s*<title>([^<]*)</title>', drawn)
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", drawn)
    assert sum(what == "node" for what, _ in titles) == len(model.layers)
    assert {layer.name for layer in model.layers} <= set(texts)
    assert sum(what == "edge" for what, _ in titles) == len(_list_ways(model))
