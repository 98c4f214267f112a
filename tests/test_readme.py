import os
import re
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parent.parent


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


def test_every_linked_file_exists() -> None:
    text = (_ROOT / "README.md").read_text("utf-8")
    links = re.findall(r"\]\(([^)#]+)\)", text)
    assert links
    assert [link for link in links if not (_ROOT / link).exists()] == []


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(_ROOT)}
