"""The pages say what the data says, what they show runs, and what they link to is there."""

import re
from pathlib import Path

import pytest

from tests.snippets import run_snippet

_ROOT = Path(__file__).parent.parent
_PAGES = sorted(path.relative_to(_ROOT / "docs").as_posix() for path in (_ROOT / "docs").rglob("*.md"))

# A file as `python FILE` runs it.
_PROGRAM = """
import runpy
import sys
from pathlib import Path

del sys.argv[0]
sys.path.insert(0, str(Path(sys.argv[0]).parent))
runpy.run_path(sys.argv[0], run_name="__main__")
"""
# One block per stage: what the example shows does not depend on the depth.
_FEW_BLOCKS = """
from tf_routing.zoo.architectures import ARCHITECTURES

line = ARCHITECTURES["drn_resnet32"]
ARCHITECTURES["drn_resnet32"] = line._replace(arguments={**line.arguments, "stage_blocks": (1, 1, 1)})
"""


def test_tables_are_what_the_data_says() -> None:
    # Where they are not: run `python docs/tables.py`.
    run_snippet(_PROGRAM, _ROOT / "docs" / "tables.py", "--check")


def test_the_example_runs() -> None:
    text = (_ROOT / "README.md").read_text("utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    for long, short in (
        ("epochs=3", "epochs=1"),
        (".images / 255", ".images[:128] / 255"),
        (".labels", ".labels[:128]"),
    ):
        assert long in example
        example = example.replace(long, short)
    assert "loss" in run_snippet(_FEW_BLOCKS + example)


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{name}" for name in _PAGES)])
def test_every_linked_file_exists(page: str) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", (_ROOT / page).read_text("utf-8"))
    assert links
    there = (_ROOT / page).parent
    assert [link for link in links if "://" not in link and not (there / link).exists()] == []
