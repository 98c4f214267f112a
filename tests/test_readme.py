import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parent.parent
_PAGES = sorted(path.relative_to(_ROOT / "docs").as_posix() for path in (_ROOT / "docs").rglob("*.md"))


def test_tables_are_what_the_data_says() -> None:
    finished = subprocess.run([sys.executable, "docs/tables.py", "--check"], cwd=_ROOT, env=_environment(), check=False)
    assert finished.returncode == 0, "run `python docs/tables.py`"


def test_the_example_runs() -> None:
    text = (_ROOT / "README.md").read_text("utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    code = example.replace("epochs=3", "epochs=1")
    finished = subprocess.run(
        [sys.executable, "-c", code], cwd=_ROOT, env=_environment(), capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    assert "loss" in finished.stdout


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{name}" for name in _PAGES)])
def test_every_linked_file_exists(page: str) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", (_ROOT / page).read_text("utf-8"))
    assert links
    there = (_ROOT / page).parent
    assert [link for link in links if "://" not in link and not (there / link).exists()] == []


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(_ROOT)}
