"""What `conftest.py` takes for granted: files that run first are there, and every test draws the same numbers."""

import ast
import random
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.conftest import LONGEST, pytest_runtest_setup
from tests.list_slow import keep_fast, read_report, read_slow


def test_the_longest_files_exist() -> None:
    assert [name for name in LONGEST if not (Path(__file__).parent / name).is_file()] == []


def _draw() -> list[float]:
    dense, noise = keras.layers.Dense(1), keras.layers.GaussianNoise(1.0)
    weights = [float(dense(np.ones((1, 1)))[0, 0]), float(noise(np.zeros((1, 1)), training=True)[0, 0])]
    return [random.random(), np.random.uniform(), float(keras.random.uniform(())), *weights]


def test_a_test_draws_what_it_would_draw_alone() -> None:
    pytest_runtest_setup()
    first, second = _draw(), _draw()
    assert all(one != other for one, other in zip(first, second, strict=True))
    pytest_runtest_setup()
    assert _draw() == first


def test_a_report_names_tests_as_pytest_takes_them(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(
        '<testsuites><testsuite><testcase classname="tests.layers.test_gates" name="test_one[a-b]" time="2.5" />'
        '<testcase classname="tests.test_site" name="test_two" time="0.1"/></testsuite></testsuites>',
        "utf-8",
    )
    assert list(read_report(str(report))) == [
        ("tests/layers/test_gates.py::test_one[a-b]", 2.5),
        ("tests/test_site.py::test_two", 0.1),
    ]


def test_every_property_keeps_its_fastest_case() -> None:
    property_, other = "tests/conformance/test_a.py::test_one", "tests/layers/test_b.py::test_two"
    took = {f"{property_}[x]": 9.0, f"{property_}[y]": 5.0, f"{other}[x]": 5.0, f"{other}[y]": 1.0}
    assert list(keep_fast(took, 2.0)) == [f"{other}[y]", f"{property_}[y]"]
    assert list(keep_fast(took, 0.9)) == []


def test_slow_tests_are_tests() -> None:
    names: dict[str, set[str]] = {}
    for test in read_slow():
        file, _, name = test.partition("::")
        names.setdefault(file, set()).add(name.partition("[")[0])
    for file, listed in names.items():
        tree = ast.parse(Path(__file__).parent.parent.joinpath(file).read_text("utf-8"))
        assert listed <= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}, file


def test_slow_tests_are_marked(request: pytest.FixtureRequest) -> None:
    slow = read_slow()
    assert all((item.nodeid in slow) == bool(item.get_closest_marker("slow")) for item in request.session.items)
