"""The page for people with a network of their own can be followed, block by block, in the order in which it stands."""

import re
from pathlib import Path

from tests.snippets import run_snippet

_PAGE = Path(__file__).parents[3] / "docs" / "own_network.md"
_GIVEN = """
import os
import sys

import keras
import numpy as np

from tests.transforms.routing.own_nets import images, own_net

os.chdir(sys.argv[1])
own_net().save("model.keras")
os.mkdir("pictures")
for number, image in enumerate(images(40)):
    keras.utils.save_img(f"pictures/{number}.png", image, scale=False)
"""


def test_the_page_runs(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", _PAGE.read_text("utf-8"), flags=re.DOTALL)
    assert len(blocks) == 8
    code = "\n".join(blocks).replace("epochs=3", "epochs=1")
    printed = run_snippet(_GIVEN + code, tmp_path)
    assert "['router_1', 'router_2']" in printed and "b1_out" in printed and "junction_1" in printed
    assert len(re.findall(r"of the cost, [01]\.\d{3} answered", printed)) == 5
    assert (tmp_path / "faster" / "saved_model.pb").is_file()
