"""Whoever lacks an extra is told which one, before any work is done."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.skip_net import skip_model
from tf_routing import analysis
from tf_routing.analysis.charts.style import pick_many_colors
from tf_routing.data import datasets
from tf_routing.runs.mean_difference import mean_difference
from tf_routing.support.extras import describe_missing
from tf_routing.train.training_run import _list_event_logs
from tf_routing.transforms.routing.exit_training import train_exits


def _check_cifar10(folder: Path) -> None:
    (folder / "data" / "cifar10").mkdir(parents=True)
    datasets.check("cifar10", str(folder / "data"))


_NEEDED: dict[str, tuple[str, str, Callable[[Path], Any]]] = {
    "a chart": (
        "matplotlib",
        "figures",
        lambda folder: analysis.draw_route_counts({"net": [3, 2]}, folder / "a.png", "title"),
    ),
    "colours": ("matplotlib", "figures", lambda folder: pick_many_colors(3)),
    "a dataset": ("tensorflow_datasets", "datasets", _check_cifar10),
    "exits": ("scipy.special", "train", lambda folder: train_exits(skip_model(), np.zeros((1, 8, 8, 3)))),
    "an interval": ("scipy.stats", "train", lambda folder: mean_difference([1.0, 2.0], [3.0, 5.0])),
}


@pytest.mark.parametrize("what", _NEEDED)
def test_the_extra_that_is_missing_is_named(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module, extra, use = _NEEDED[what]
    # What Python finds where a module is not installed.
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf"needs {module}: pip install 'tf_routing\[{extra}\]'"):
        use(tmp_path)
    assert not (tmp_path / "a.png").exists()


def test_a_run_without_tensorboard_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    assert _list_event_logs(tmp_path, None, None) == []
    assert capsys.readouterr().out == f"{describe_missing('tensorboard', 'tensorboard', str(tmp_path))}\n"
