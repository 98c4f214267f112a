"""The cluster files of the docs say what the program understands."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.conformance.subjects import ROOT
from tf_routing.cli.program import program_parser
from tf_routing.train.distribution.tf_config import read_tf_config
from tf_routing.train.recipes.recipe import load_recipe
from tf_routing.zoo.registry import find

_FOLDER = ROOT / "docs" / "cluster"


def check_command(words: list[str]) -> None:
    """Every option, the network and the recipe exist, and there are checkpoints to continue from."""
    parsed = program_parser().parse_args(words)
    assert (parsed.command, parsed.strategy) == ("fit", "multiworker")
    assert parsed.checkpoint_every > 0
    find(parsed.model)
    assert load_recipe(parsed.recipe).batch_size % 2 == 0


def test_the_kubernetes_job_starts_workers_that_find_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    service, job = yaml.safe_load_all((_FOLDER / "kubernetes.yaml").read_text("utf-8"))
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["command"] == ["tf-routing"]
    check_command(container["args"])
    variables = {each["name"]: each for each in container["env"]}
    # Only those that stand before are put in for $(WORKER).
    assert list(variables) == ["WORKER", "TF_CONFIG"]
    workers = job["spec"]["completions"]
    assert job["spec"]["parallelism"] == workers and job["spec"]["completionMode"] == "Indexed"
    for index in range(workers):
        monkeypatch.setenv("TF_CONFIG", variables["TF_CONFIG"]["value"].replace("$(WORKER)", str(index)))
        config = read_tf_config()
        # Pods of an indexed job are called after it, and found below the service's name.
        name, port = job["metadata"]["name"], container["ports"][0]["containerPort"]
        addresses = [f"{name}-{number}.{pod['subdomain']}:{port}" for number in range(workers)]
        assert config == {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
    assert service["metadata"]["name"] == pod["subdomain"] and service["spec"]["clusterIP"] == "None"
    assert service["spec"]["selector"] == {"job-name": job["metadata"]["name"]}


def _program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/bash\n{text}\n", "utf-8")
    path.chmod(0o755)


def test_the_slurm_script_starts_a_worker_per_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What SLURM does: it names the nodes, and starts the task on each with its number.
    _program(tmp_path / "scontrol", '[[ "$*" == "show hostnames node[1-2]" ]] && printf "node1\\nnode2\\n"')
    _program(tmp_path / "srun", 'shift; for SLURM_PROCID in 0 1; do export SLURM_PROCID; "$@" || exit; done')
    _program(tmp_path / "tf-routing", f'printf "%s\\n%s\\n" "$TF_CONFIG" "$*" >> {shlex.quote(str(tmp_path))}/called')
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_JOB_NODELIST": "node[1-2]"}
    subprocess.run(["bash", str(_FOLDER / "slurm.sh")], env=environment, check=True)
    lines = (tmp_path / "called").read_text("utf-8").splitlines()
    assert len(lines) == 4
    for index in (0, 1):
        monkeypatch.setenv("TF_CONFIG", lines[2 * index])
        cluster = {"worker": ["node1:2222", "node2:2222"]}
        assert read_tf_config() == {"cluster": cluster, "task": {"type": "worker", "index": index}}
        check_command(shlex.split(lines[2 * index + 1]))


def test_the_commands_of_the_page_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (_FOLDER / "README.md").read_text("utf-8").replace("\\\n", " ")
    (single,) = [line for line in text.splitlines() if line.startswith("    TF_CONFIG=")]
    config, _, *words = shlex.split(single)
    monkeypatch.setenv("TF_CONFIG", config.removeprefix("TF_CONFIG="))
    assert read_tf_config()["task"] == {"type": "worker", "index": 0}
    check_command(words)
    (local,) = [line for line in text.splitlines() if line.startswith("    tf-routing launch ")]
    launched = program_parser().parse_args(shlex.split(local)[1:])
    assert (launched.command, launched.workers) == ("launch", 2)
    assert program_parser().parse_args(launched.words).strategy == "multiworker"
