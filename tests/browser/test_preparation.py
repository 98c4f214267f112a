"""CI brings a browser onto a bare machine or fails; nobody else's machine is touched."""

import shutil
import subprocess
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]


def prepare(folder: Path, programs: dict[str, str], ci: str) -> tuple[int, list[str]]:
    """Runs `.ci/chromium` where only given programs are, and returns its status and the calls they got."""
    calls = folder / "calls"
    calls.touch()
    for name in ("bash", "id"):
        (folder / name).symlink_to(str(shutil.which(name)))
    for name, line in programs.items():
        program = folder / name
        program.unlink(missing_ok=True)
        program.write_text(f'#!{shutil.which("sh")}\necho "{name} $*" >> {calls}\n{line}\n')
        program.chmod(0o755)
    environment = {"PATH": str(folder), "CI": ci}
    done = subprocess.run([".ci/chromium"], cwd=_ROOT, env=environment, capture_output=True, text=True, check=False)
    called = [line for line in calls.read_text().splitlines() if not line.startswith("id ")]
    return done.returncode, [*called, *done.stdout.splitlines()]


@pytest.fixture
def bare() -> dict[str, str]:
    """A machine of root's with packages of Debian and npm, and no browser."""
    return {"id": "echo 0", "apt-get": "", "npm": ""}


def test_a_bare_machine_gets_the_package(tmp_path: Path, bare: dict[str, str]) -> None:
    status, calls = prepare(tmp_path, bare, "true")
    assert status == 0 and len(calls) == 2 and calls[0].startswith("apt-get update")
    assert calls[1].startswith("apt-get install") and calls[1].endswith(" chromium")


@pytest.mark.parametrize("failing", ["update", "install"])
def test_an_install_that_fails_fails(failing: str, tmp_path: Path, bare: dict[str, str]) -> None:
    status, calls = prepare(tmp_path, {**bare, "apt-get": f'test "$1" != {failing}'}, "true")
    assert status != 0 and calls[-1].startswith(f"apt-get {failing}")


@pytest.mark.parametrize("ci", ["", "false"])
def test_nobodys_machine_is_changed(ci: str, tmp_path: Path, bare: dict[str, str]) -> None:
    assert prepare(tmp_path, bare, ci) == (0, [])


@pytest.mark.parametrize("browser", ["chromium", "google-chrome"])
def test_a_browser_that_is_there_will_do(browser: str, tmp_path: Path, bare: dict[str, str]) -> None:
    assert prepare(tmp_path, {**bare, browser: ""}, "true") == (0, [])


def test_who_may_not_install_is_told(tmp_path: Path, bare: dict[str, str]) -> None:
    status, (said,) = prepare(tmp_path, {**bare, "id": "echo 1000"}, "true")
    assert status == 0 and "only root" in said and "skipped" in said
