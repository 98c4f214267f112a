"""What a command writes to a terminal or a pipe: its own lines, from the first one on."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.subjects import ROOT
from tf_routing import zoo
from tf_routing.cli import program as commands
from tf_routing.cli.main import main
from tf_routing.cli.start_lines import keep_lines

_BANNER = "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR"
_ONEDNN = "I0000 00:00:1795841171.217389    9881 port.cc:153] oneDNN custom operations are on."
_OLD = "2025-09-17 14:44:05.157831: I external/local_xla/xla/tsl/cuda/cudart_stub.cc:32] Could not find cuda drivers"
_NO_GPU = "E0000 00:00:1.2 1 cuda_platform.cc:52] failed call: Failed call to cuInit: UNKNOWN ERROR (303)"
_WARNING = "W0000 00:00:1795841216.179501   10100 op_kernel.cc:1858] OP_REQUIRES failed"
_ERROR = "E0000 00:00:1795841216.179501   10100 gpu_device.cc:18] Driver and library do not match"
_FATAL = "F0000 00:00:1795841216.179501   10100 cpu_feature_guard.cc:11] compiled to use AVX instructions"
_PLAIN = "Traceback (most recent call last):"


def environment(**changes: str) -> dict[str, str]:
    inherited = {key: value for key, value in os.environ.items() if key not in ("TF_CPP_MIN_LOG_LEVEL", "COLUMNS")}
    return {**inherited, "PYTHONPATH": str(ROOT), **changes}


def started(*words: str, **changes: Any) -> subprocess.Popen[str]:
    usual = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": environment()}
    return subprocess.Popen([sys.executable, "-m", "tf_routing", *words], **{**usual, **changes})


def test_what_says_nothing_is_left_out_and_errors_are_not() -> None:
    lines = [_BANNER, _ONEDNN, _OLD, "To enable the following instructions: AVX2", _NO_GPU, _WARNING]
    needed = [_ERROR, _FATAL, _PLAIN]
    assert list(keep_lines([*lines, *needed], 2)) == needed
    assert list(keep_lines([_WARNING, _ONEDNN], 1)) == [_WARNING]
    assert list(keep_lines(needed, 3)) == [_FATAL, _PLAIN]


def test_tensorflow_says_nothing_before_the_command_does() -> None:
    with started("cost", "basecnn", "--set", "width_multiplier=0.125", "--json") as process:
        printed, error = process.communicate()
    assert (process.returncode, error) == (0, "")
    model = zoo.get("basecnn", width_multiplier=0.125)
    assert json.loads(printed)["macs"] == model.static_cost
    assert sum(layer["macs"] for layer in json.loads(printed)["layers"]) == model.static_cost


def instead_of_tensorflow(folder: Path, code: str) -> dict[str, str]:
    """An environment in which importing TensorFlow runs this code."""
    (folder / "tensorflow").mkdir()
    (folder / "tensorflow" / "__init__.py").write_text(code, "utf-8")
    return environment(PYTHONPATH=f"{folder}{os.pathsep}{ROOT}")


def test_what_ends_the_process_at_its_start_is_seen(tmp_path: Path) -> None:
    # From below Python, as TensorFlow does on a processor that lacks an instruction.
    code = f'import os\nos.write(2, b"{_ONEDNN}\\n{_FATAL}\\n")\nos.abort()\n'
    with started("cost", "basecnn", env=instead_of_tensorflow(tmp_path, code)) as process:
        _, error = process.communicate()
    assert (process.returncode, error) == (-signal.SIGABRT, f"{_FATAL}\n")


def test_the_level_of_the_user_counts(tmp_path: Path) -> None:
    code = f'import os\nos.write(2, b"{_ONEDNN}\\n{_WARNING}\\n")\nraise ImportError("gone")\n'
    place = instead_of_tensorflow(tmp_path, code)
    for level, lines in (("0", [_ONEDNN, _WARNING]), ("1", [_WARNING]), ("3", [])):
        with started("cost", "basecnn", env={**place, "TF_CPP_MIN_LOG_LEVEL": level}) as process:
            _, error = process.communicate()
        assert error.splitlines() == [*lines, "tf-routing cost: gone"]


def test_what_fails_at_the_start_is_one_line(tmp_path: Path) -> None:
    code = 'raise ImportError("libcudart.so.99 is missing")'
    with started("cost", "basecnn", env=instead_of_tensorflow(tmp_path, code)) as process:
        _, error = process.communicate()
    assert (process.returncode, error) == (1, "tf-routing cost: libcudart.so.99 is missing\n")


def test_control_c_is_one_line_while_tensorflow_is_imported(tmp_path: Path) -> None:
    # Who runs tests in the background of a shell lets them ignore the signal, and all that they start.
    code = "import os, signal, time\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += "os.kill(os.getpid(), signal.SIGINT)\ntime.sleep(60)\n"
    words = ["fit", "--model", "basecnn", "--output", str(tmp_path / "run")]
    with started(*words, env=instead_of_tensorflow(tmp_path, code)) as process:
        printed, error = process.communicate()
    assert (process.returncode, printed, error) == (130, "", "\ntf-routing fit: stopped.\n")
    assert not (tmp_path / "run").exists()


def test_control_c_is_one_line_before(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "program_parser", interrupted)
    assert main(["fit"]) == 130
    assert capsys.readouterr().err == "\ntf-routing fit: stopped.\n"


def test_names_are_checked_before_keras_is_imported(tmp_path: Path) -> None:
    (tmp_path / "folder" / "train" / "bee").mkdir(parents=True)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine", "utf-8")
    (tmp_path / "wrong.toml").write_text("epoch = 3", "utf-8")
    fit = ["fit", "--model", "drn_resnet32", "--output", "new"]
    wrong = [
        [*fit, "--model", "drn_resnet33"],
        [*fit, "--recipe", "quik"],
        [*fit, "--recipe", "wrong.toml"],
        [*fit, "--learning-rate", "-1"],
        [*fit, "--dataset", "cifar11"],
        [*fit, "--dataset", "cifar10", "--data_dir", "folder"],
        [*fit, "--dataset", "folder"],
        [*fit, "--dataset", "./foldre"],
        ["evaluate", "wrong.toml"],
        [*fit, "--output", "full"],
        ["fit", "--recipe", "decide/hybrid_actor", "--runs", "9", "--output", "new"],
        ["study", "trade_of", "--model", "drn_resnet32", "--output", "new"],
        ["tune", "--model", "drn_resnet33", "--output", "new"],
        ["evaluate", "nowhere"],
        ["export", "nowhere", "--output", "new"],
        ["figures", "exitts", "folder", "--output", "a.png"],
        ["figures", "exits", "nowhere", "--output", "a.png"],
        ["cost", "basecn"],
        ["card", "basecn"],
    ]
    code = (
        "import json, sys\nfrom tf_routing.cli.main import main\n"
        "for words in json.loads(sys.argv[1]):\n    assert main(words) == 1, words\n"
        "    heavy = {'keras', 'tensorflow'} & set(sys.modules)\n    assert not heavy, (words, heavy)\n"
    )
    words = [sys.executable, "-c", code, json.dumps(wrong)]
    done = subprocess.run(words, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == len(wrong) and all(line.startswith("tf-routing ") for line in lines), done.stderr
    assert max(map(len, lines)) < 500
    assert "Unknown dataset './foldre'. Did you mean: ./folder?" in done.stderr
    assert not (tmp_path / "new").exists()


def test_a_list_in_a_pipe_is_whole() -> None:
    with started("list") as process:
        printed, error = process.communicate()
    assert (process.returncode, error) == (0, "")
    for name in zoo.list_models():
        card = zoo.card(name)
        (line,) = [line for line in printed.splitlines() if line.split("│")[1:2] == [f" {name:25} "]]
        assert f"{card.reported[0].trainable_parameters:,}" in line and f"{card.reported[0].macs:,}" in line
        assert (card.weights or ["-"])[0] in line
    assert "…" not in printed


def test_a_list_that_nobody_reads_to_its_end_is_quiet() -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        with started("list", stdout=write) as process:
            _, error = process.communicate()
    finally:
        os.close(write)
    assert (process.returncode, error) == (141, "")
