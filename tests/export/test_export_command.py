"""`tf-routing export` hands its options on, and writes a folder, an archive, or both."""

import argparse
import json
import tarfile
from pathlib import Path

import pytest

from tests.export.exported import tiny_net
from tf_routing.exporting.archives import unpack
from tf_routing.train.export import add_export_options, run


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder, of a network that was never trained."""
    folder = tmp_path_factory.mktemp("run")
    tiny_net().save(folder / "model.keras")
    record = {
        "arguments": {"model": "basecnn_2cc", "recipe": "quick"},
        "class_names": [f"class {n}" for n in range(10)],
        "final": {"accuracy": 0.5},
    }
    (folder / "run.json").write_text(json.dumps(record), "utf-8")
    return folder


def parsed(*words: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_export_options(parser)
    return parser.parse_args(list(map(str, words)))


def test_a_folder_and_an_archive_of_it(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output, archive = tmp_path / "net", tmp_path / "net.tar.gz"
    run(parsed(finished, "--output", output, "--archive", archive, "--version", 3, "--no_fold_batch_norm"))
    printed = capsys.readouterr().out
    assert f"Wrote {output} and {archive}" in printed and "serve_encoded" in printed
    card = json.loads((output / "assets" / "card.json").read_text("utf-8"))
    assert (card["version"], card["fold_batch_norm"], card["freeze"], card["crop"]) == (3, False, False, 1.0)
    assert card["training"] == {"model": "basecnn_2cc", "recipe": "quick", "final accuracy": 0.5}
    assert card["architecture"]["name"] == "basecnn_2cc"
    assert (output / "assets" / "labels.txt").read_text("utf-8").splitlines()[9] == "class 9"
    with tarfile.open(archive) as tar:
        assert "saved_model.pb" in tar.getnames()


def test_an_archive_alone(finished: Path, tmp_path: Path) -> None:
    run(parsed(finished, "--archive", tmp_path / "net.tar.gz", "--freeze", "--crop", 0.875))
    assert [path.name for path in tmp_path.iterdir()] == ["net.tar.gz"]
    unpack(tmp_path / "net.tar.gz", tmp_path / "net")
    card = json.loads((tmp_path / "net" / "assets" / "card.json").read_text("utf-8"))
    assert (card["version"], card["fold_batch_norm"], card["freeze"], card["crop"]) == (1, True, True, 0.875)


def test_nowhere_to_write_to(finished: Path) -> None:
    with pytest.raises(ValueError, match="there is nothing to write to"):
        run(parsed(finished))


def test_an_archive_of_another_kind_is_refused_before_the_work(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`archive` must end in .tar.gz"):
        run(parsed(finished, "--output", tmp_path / "net", "--archive", tmp_path / "net.zip"))
    assert list(tmp_path.iterdir()) == []
