"""What a layer can do is asked by its interface in `core/protocols.py`, not by the name of an attribute."""

import ast

import pytest

from tests.conformance.test_private_attributes import FILES
from tf_routing.core import protocols

_ASKING = {"getattr", "hasattr"}


def members() -> set[str]:
    """Returns the names that interfaces declare."""
    interfaces = [each for each in vars(protocols).values() if getattr(each, "_is_protocol", False)]
    declared = {name for each in interfaces for name in (*vars(each), *getattr(each, "__annotations__", {}))}
    return {name for name in declared if not name.startswith("_")}


def asked_by_name(text: str) -> list[tuple[int, str]]:
    """Returns lines that ask for a member of an interface by its name."""
    calls = [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _ASKING
    ]
    names = [(node.lineno, node.args[1].value) for node in calls if isinstance(node.args[1], ast.Constant)]
    return [(line, name) for line, name in names if name in members()]


def test_interfaces_have_members() -> None:
    assert {"decision", "macs", "shift_thresholds", "sub_blocks", "tree"} <= members()


@pytest.mark.parametrize("line", ["hasattr(layer, 'macs')", "getattr(block, 'sub_blocks', None)"])
def test_asking_by_name_is_seen(line: str) -> None:
    assert asked_by_name(line)


def test_no_interface_is_guessed_by_name() -> None:
    found = [
        f"{name}:{line}: {member}"
        for name, path in FILES.items()
        for line, member in asked_by_name(path.read_text("utf-8"))
    ]
    assert not found, "\n".join(found)
