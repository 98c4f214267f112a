"""Every block of Python on the pages runs, or names the test that runs it, and every command there is one."""

import re
import shlex
from pathlib import Path

import pytest

from tests.snippets import run_snippet
from tf_routing.cli.parsing import with_underscores
from tf_routing.cli.program import program_parser
from tf_routing.train.recipes.recipe_files import list_recipes
from tf_routing.zoo.registry import list_models

_ROOT = Path(__file__).parent.parent
_TEXTS = {
    path.relative_to(_ROOT).as_posix(): path.read_text("utf-8")
    for path in (_ROOT / "README.md", *sorted((_ROOT / "docs").rglob("*.md")))
}
# Small networks: what a block shows does not depend on widths, sizes and depths, and ImageNet's weights are fetched.
_GIVEN = """
import keras
import numpy as np
import tensorflow as tf

import tf_routing
from tf_routing import data, zoo
from tf_routing.zoo import registry
from tf_routing.zoo.architectures import ARCHITECTURES

line = ARCHITECTURES["drn_resnet32"]
ARCHITECTURES["drn_resnet32"] = line._replace(arguments={**line.arguments, "stage_blocks": (1, 1, 1)})
build = zoo.get

def get(name, /, **arguments):
    small = {"width_multiplier": 0.125, **arguments, "weights": None}
    if "resnet50" in name or "dmnn50" in name:
        small |= {"input_shape": (32, 32, 3), "classes": 10}
    return build(name, **small)

zoo.get = get
images = np.random.default_rng(0).random((24, 32, 32, 3), "float32")
"""
# What extras bring: the README's lines need none of it.
_NO_EXTRA = """
import sys
sys.modules |= dict.fromkeys(("matplotlib", "onnx", "scipy", "sklearn", "tensorboard", "tensorflow_datasets"))
"""
_SHORTER = (("epochs=3", "epochs=1"), (".images / 255", ".images[:64] / 255"), (".train.labels", ".train.labels[:64]"))


def _find_blocks() -> dict[str, tuple[str, str]]:
    """Every block of Python by page and number: the comment above it, and its code."""
    found: dict[str, tuple[str, str]] = {}
    for page, text in _TEXTS.items():
        blocks = re.findall(r"(?:<!-- ([^\n]*) -->\n)?```python\n(.*?)```", text, flags=re.DOTALL)
        # What stands on two pages runs once.
        found |= {f"{page}-{number}": block for number, block in enumerate(blocks) if block not in found.values()}
    return found


_BLOCKS = _find_blocks()
_RUN = {name: block for name, block in _BLOCKS.items() if not block[0].startswith("tested by ")}


@pytest.mark.parametrize(
    "name", [name if name.startswith("README") else pytest.param(name, marks=pytest.mark.heavy) for name in _RUN]
)
def test_block_runs(name: str, tmp_path: Path) -> None:
    comment, code = _RUN[name]
    assert comment == "" or comment.startswith("given: ")
    for long, short in _SHORTER:
        code = code.replace(long, short)
    folder = f"import os; os.chdir({str(tmp_path)!r})\n"
    first = _NO_EXTRA if name.startswith("README") else ""
    run_snippet(first + _GIVEN + folder + comment.removeprefix("given: ") + "\n" + code)


def test_few_tests_are_named_in_the_place_of_a_block_and_these_are_there() -> None:
    named = [comment.removeprefix("tested by ") for comment, _ in _BLOCKS.values() if comment.startswith("tested by ")]
    assert len(set(named)) < len(_RUN)
    assert [path for path in named if not (_ROOT / path).is_file()] == []


def test_python_stands_in_fences() -> None:
    # Indented blocks are commands, files and sums: nothing there runs.
    lines = [line for text in _TEXTS.values() for line in text.splitlines() if line.startswith("    ")]
    python = re.compile(r"^    (from \w+ import|import \w|model[.= ]|tf_routing\.|zoo\.get|\w+ = (zoo|keras|tf)\.)")
    assert [line for line in lines if python.match(line)] == []


def _list_commands() -> list[str]:
    """The commands in indented blocks, each with the lines that it goes on in."""
    text = "\n".join(_TEXTS.values()).replace("\\\n", " ")
    return list(dict.fromkeys(re.findall(r"^    (?:KERAS_BACKEND=jax )?(tf-routing .+)$", text, flags=re.MULTILINE)))


@pytest.mark.parametrize("command", _list_commands())
def test_command_is_one(command: str) -> None:
    words = [word for word in shlex.split(command, comments=True)[1:] if word != "..."]
    parsed = program_parser().parse_args(with_underscores(words))
    assert getattr(parsed, "model", None) in (None, "net.keras", *list_models())
    recipe = getattr(parsed, "recipe", None)
    assert recipe is None or recipe in list_recipes() or recipe.endswith(".toml")


def test_pages_show_many_commands() -> None:
    assert len(_list_commands()) > 40 and {"fit", "evaluate", "export"} <= {
        command.split()[1] for command in _list_commands()
    }
