"""Commands lie in one file each, alone read command lines, and answer without Keras where they can."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import tf_routing
from tests.conformance.subjects import ROOT
from tf_routing.cli.program import COMMANDS

_PACKAGE = Path(tf_routing.__file__).parent


def imported_modules(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def test_argparse_is_imported_by_the_command_line_alone() -> None:
    files = {file for file in _PACKAGE.rglob("*.py") if "argparse" in imported_modules(file)}
    assert {file.relative_to(_PACKAGE).parts[0] for file in files} == {"cli"}


def test_nothing_else_imports_the_command_line() -> None:
    outside = [file for file in _PACKAGE.rglob("*.py") if file.relative_to(_PACKAGE).parts[0] != "cli"]
    users = {
        file.name
        for file in outside
        if any(name.split(".")[:2] == ["tf_routing", "cli"] for name in imported_modules(file))
    }
    assert users == {"__main__.py"}


def test_every_command_has_its_file_and_every_file_its_command() -> None:
    files = {file.stem for file in (_PACKAGE / "cli" / "commands").glob("*.py")} - {"__init__"}
    assert files == set(COMMANDS)
    for name, command in COMMANDS.items():
        module = f"tf_routing.cli.commands.{name}"
        assert (command.add_options.__module__, command.run.__module__) == (module, module)


@pytest.fixture(scope="module")
def imported_by_help() -> dict[str, list[str]]:
    """Which heavy modules are there after the help of each command, all in one fresh process."""
    code = (
        "import contextlib, io, json, sys\nfrom tf_routing.cli.main import main\nfound = {}\n"
        "for command in json.loads(sys.argv[1]):\n"
        "    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        "        main([command, '--help'])\n"
        "    found[command] = sorted({'keras', 'tensorflow', 'jax', 'matplotlib', 'sklearn'} & set(sys.modules))\n"
        "print(json.dumps(found))"
    )
    words = [sys.executable, "-c", code, json.dumps(list(COMMANDS))]
    return json.loads(subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_waits_for_nothing_heavy(command: str, imported_by_help: dict[str, list[str]]) -> None:
    assert imported_by_help[command] == []
