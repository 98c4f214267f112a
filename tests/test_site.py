"""The site of the documentation: every page has its place, docstrings come out as Markdown, and it builds."""

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

_ROOT = Path(__file__).parent.parent


def _list_navigation(entries: list[object]) -> list[str]:
    found: list[str] = []
    for entry in entries:
        (target,) = entry.values() if isinstance(entry, dict) else (entry,)
        found += _list_navigation(target) if isinstance(target, list) else [target]
    return found


def test_every_page_is_in_the_navigation_once() -> None:
    configuration = yaml.safe_load((_ROOT / "mkdocs.yml").read_text("utf-8"))
    pages = [path.relative_to(_ROOT / "docs").as_posix() for path in (_ROOT / "docs").rglob("*.md")]
    assert sorted(_list_navigation(configuration["nav"])) == sorted([*pages, "repository/CONTRIBUTING.md"])
    assert configuration["strict"] is True


@pytest.fixture
def form(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    pytest.importorskip("griffe")
    monkeypatch.syspath_prepend(str(_ROOT / "docs"))
    return importlib.import_module("docstring_form")


def test_a_docstring_in_our_form_becomes_markdown(form: ModuleType) -> None:
    docstring = """Adds.

    Equation:
        y = a
            + b          (Eq. 1)

        with a = `x`; and
        b left open.

    Args:
        x: Integer,
            the first: it counts.
        **kwargs: As for every layer.

    Raises:
        ValueError: If `x` is odd.

    Example:

    >>> add(2)
    2

    Then more.

    Reference:
        Who (2026).
    """
    assert form.rewrite(docstring).splitlines() == [
        "Adds.", "",
        "**Equation**", "", "```text", "y = a", "    + b          (Eq. 1)", "```", "",
        "with a = `x`; and", "b left open.", "",
        "**Args**", "", "- `x`: Integer,", "  the first: it counts.", "- `**kwargs`: As for every layer.", "",
        "**Raises**", "", "- `ValueError`: If `x` is odd.", "",
        "**Example**", "", "```pycon", ">>> add(2)", "2", "```", "", "Then more.", "",
        "**Reference**", "", "Who (2026).",
    ]  # fmt: skip


@pytest.mark.heavy
def test_the_site_builds_and_shows_every_public_name(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    variables = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    built = subprocess.run(command, cwd=_ROOT, env=variables, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr[-4000:]
    for page in (_ROOT / "docs" / "api").glob("*.md"):
        names = re.findall(r"^      heading: (.+)$", page.read_text("utf-8"), flags=re.MULTILINE)
        shown = (tmp_path / "api" / ("" if page.stem == "index" else page.stem) / "index.html").read_text("utf-8")
        assert names and [name for name in names if name not in shown] == []
    layers = (tmp_path / "api" / "layers" / "index.html").read_text("utf-8")
    assert re.search(r"<code>[^<]*Y_j = sum_i g_ij X_i", layers) and "<strong>Call arguments</strong>" in layers
    # What pages link to outside of `docs/` came along, and no link was left pointing there.
    assert (tmp_path / "repository" / "CONTRIBUTING" / "index.html").is_file()
    pages = [path.read_text("utf-8") for path in tmp_path.rglob("*.html")]
    linked = {link for text in pages for link in re.findall(r'href="([^"#:]+)"', text)}
    assert [link for link in linked if link.endswith(".md")] == []
