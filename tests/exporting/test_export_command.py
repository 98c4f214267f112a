"""`tf-routing export` hands its options on, and writes a folder, an archive, or both."""

import argparse
import json
import tarfile
from pathlib import Path

import pytest
import tensorflow as tf

from tests.exporting.exported import tiny_net
from tf_routing.cli.commands.export import add_options, run
from tf_routing.exporting.archives import unpack
from tf_routing.exporting.checksums import check_checksums


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder, of a network that was never trained."""
    folder = tmp_path_factory.mktemp("run")
    tiny_net("basecnn_2cc").save(folder / "model.keras")
    record = {
        "arguments": {"model": "basecnn_2cc", "dataset": "digits", "recipe": "quick"},
        "class_names": [f"class {n}" for n in range(10)],
        "final": {"accuracy": 0.5},
    }
    (folder / "run.json").write_text(json.dumps(record), "utf-8")
    return folder


def parsed(*words: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_options(parser)
    return parser.parse_args(list(map(str, words)))


def test_a_folder_and_an_archive_of_it(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output, archive = tmp_path / "net", tmp_path / "net.tar.gz"
    run(parsed(finished, "--output", output, "--archive", archive, "--version", 3, "--no_fold_batch_norm"))
    printed = capsys.readouterr().out
    assert f"Wrote {output} and {archive}" in printed and "serve_encoded" in printed
    card = json.loads((output / "assets" / "card.json").read_text("utf-8"))
    assert (card["version"], card["fold_batch_norm"], card["freeze"], card["crop"]) == (3, False, False, 1.0)
    assert card["training"] == {"model": "basecnn_2cc", "dataset": "digits", "recipe": "quick", "final accuracy": 0.5}
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


def test_a_folder_and_a_server_are_written_at_once(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorflow_serving", reason="the extra `serving` is not installed")
    saved, save = [], tf.saved_model.save
    monkeypatch.setattr(tf.saved_model, "save", lambda *arguments: (saved.append(1), save(*arguments)))
    for version in (1, 2):
        output = tmp_path / f"net_{version}"
        run(parsed(finished, "--output", output, "--serving", tmp_path / "models", "--name", "net"))
        published = tmp_path / "models" / "net" / str(version)
        check_checksums(published)
        assert len(saved) == version
        assert (published / "saved_model.pb").read_bytes() == (output / "saved_model.pb").read_bytes()
        # The card of each says which it is.
        cards = [json.loads((each / "assets" / "card.json").read_text("utf-8")) for each in (output, published)]
        assert [card.pop("version") for card in cards] == [1, version] and cards[0] == cards[1]
        assert f"version {version}" in (published / "assets" / "card.md").read_text("utf-8").splitlines()[0]


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (("--name", "../up"), ValueError, "`name` must be letters"),
        (("--keep", "0"), ValueError, "`keep` must be a positive integer"),
        (("--version", "1"), FileExistsError, "holds version 1 already"),
    ],
)
def test_what_cannot_be_published_is_told_before_the_work(
    words: tuple[str, ...], error: type[Exception], message: str, finished: Path, tmp_path: Path
) -> None:
    pytest.importorskip("tensorflow_serving", reason="the extra `serving` is not installed")
    (tmp_path / "models" / "basecnn_2cc" / "1").mkdir(parents=True)
    with pytest.raises(error, match=message):
        run(parsed(finished, "--output", tmp_path / "net", "--serving", tmp_path / "models", *words))
    assert [each.name for each in tmp_path.iterdir()] == ["models"]


def test_nowhere_to_write_to(finished: Path) -> None:
    with pytest.raises(ValueError, match="there is nothing to write to"):
        run(parsed(finished))


def test_an_archive_of_another_kind_is_refused_before_the_work(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`archive` must end in .tar.gz"):
        run(parsed(finished, "--output", tmp_path / "net", "--archive", tmp_path / "net.zip"))
    assert list(tmp_path.iterdir()) == []


def test_two_ways_of_seeing_pictures_at_once_are_refused_before_the_work(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`crop` or `resize` must be left out: .* Received: crop=0.5, resize=40"):
        run(parsed(finished, "--output", tmp_path / "net", "--crop", 0.5, "--resize", 40))
    assert list(tmp_path.iterdir()) == []
