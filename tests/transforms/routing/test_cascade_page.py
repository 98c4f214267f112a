"""The page about cascades can be followed, block by block, in the order in which it stands."""

import re
from pathlib import Path

import pytest

from tests.snippets import run_snippet

_PAGE = Path(__file__).parents[3] / "docs" / "cascades.md"
_GIVEN = """
import os
import sys

import keras

from tests.transforms.routing.own_nets import CLASSES, images, own_net

os.chdir(sys.argv[1])
own_net("preactivated").save("small.keras")
own_net("residual").save("large.keras")
for number, image in enumerate(images(40)):
    os.makedirs(f"pictures/{number % CLASSES}", exist_ok=True)
    keras.utils.save_img(f"pictures/{number % CLASSES}/{number}.png", image, scale=False)
"""


def test_the_page_runs(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="the extra `onnx` is not installed")
    blocks = re.findall(r"```python\n(.*?)```", _PAGE.read_text("utf-8"), flags=re.DOTALL)
    assert len(blocks) == 4
    printed = run_snippet(_GIVEN + "\n".join(blocks), tmp_path)
    assert "['junction_1']" in printed and "0.6" in printed
    assert (tmp_path / "cascade" / "saved_model.pb").is_file() and (tmp_path / "cascade.onnx").is_file()
