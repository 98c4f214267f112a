"""Versions that TensorFlow Serving finds: whole, listed, warmed up, and removed when they are old."""

import argparse
import doctest
import inspect
import re
import shutil
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow_serving", reason="the extra `serving` is not installed")

import tensorflow as tf
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format, wrappers_pb2
from tensorflow_serving.apis import prediction_log_pb2
from tensorflow_serving.config import model_server_config_pb2

from tests.exporting.exported import tiny_net
from tests.gated_net import gated_model, images
from tests.serving.exported import write_tiny
from tf_routing import client, serving
from tf_routing.cli.commands.export import add_options, check_options, publish
from tf_routing.exporting.checksums import check_checksums, write_checksums
from tf_routing.support.extras import import_extra

_ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiny") / "saved"
    write_tiny(path)
    return path


def listed(folder: Path) -> Any:
    config = model_server_config_pb2.ModelServerConfig()
    text_format.Parse((folder / "models.config").read_text("utf-8"), config)
    return config.model_config_list.config


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def replayed(version: Path) -> dict[str, list[int]]:
    """Runs the warm-up requests on the loaded version; returns the batch sizes by signature."""
    signatures = tf.saved_model.load(str(version)).signatures
    sizes: dict[str, list[int]] = {}
    for record in tf.data.TFRecordDataset(str(version / "assets.extra" / "tf_serving_warmup_requests")):
        request = prediction_log_pb2.PredictionLog.FromString(record.numpy()).predict_log.request
        assert request.model_spec.name == version.parent.name
        function = signatures[request.model_spec.signature_name]
        outputs = function(**{key: tf.constant(tf.make_ndarray(each)) for key, each in request.inputs.items()})
        (count,) = {len(value) for value in outputs.values()}
        sizes.setdefault(request.model_spec.signature_name, []).append(count)
    assert set(sizes) == set(signatures)
    return sizes


def test_a_model_is_published_whole(tmp_path: Path) -> None:
    model = gated_model()
    placed = serving.publish(model, tmp_path, name="net", warm_up=(1, 3))
    assert placed == tmp_path / "net" / "1"
    assert {each.name for each in tmp_path.iterdir()} == {"net", "models.config", "batching_parameters.txt"}
    assert stat.S_IMODE(placed.stat().st_mode) == 0o755
    (row,) = listed(tmp_path)
    assert (row.name, row.base_path, row.model_platform) == ("net", "/models/net", "tensorflow")
    assert set(map(tuple, replayed(placed).values())) == {(1, 3)}
    answer = tf.saved_model.load(str(placed)).signatures["serving_default"](images=tf.constant(images()))
    np.testing.assert_allclose(answer["probabilities"], model(images()), rtol=1e-4, atol=1e-5)
    check_checksums(placed)


def test_versions_count_up_and_old_ones_go(tiny: Path, tmp_path: Path) -> None:
    for _ in range(2):
        serving.publish_folder(tiny, tmp_path, name="tiny")
    serving.publish_folder(tiny, tmp_path, name="tiny", version=9)
    assert serving.list_versions(tmp_path, "tiny") == [1, 2, 9]
    assert serving.publish_folder(tiny, tmp_path, name="tiny", keep=2).name == "10"
    assert serving.list_versions(tmp_path, "tiny") == [9, 10]
    serving.publish_folder(tiny, tmp_path, name="other")
    assert [row.name for row in listed(tmp_path)] == ["tiny", "other"]
    assert {each.name for each in tmp_path.iterdir()} == {"tiny", "other", "models.config", "batching_parameters.txt"}
    # One of its signatures takes a single image only.
    sizes = {"serve_encoded": [1, 8], "serve_one": [1], "serving_default": [1, 8]}
    assert replayed(tmp_path / "other" / "1") == sizes


def test_what_was_changed_in_the_servers_files_stays(tiny: Path, tmp_path: Path) -> None:
    own = 'model_config_list { config { name: "tiny" base_path: "/elsewhere" model_platform: "tensorflow" } }'
    (tmp_path / "models.config").write_text(own)
    (tmp_path / "batching_parameters.txt").write_text("max_batch_size { value: 4 }")
    for name in ("tiny", "second"):
        placed = serving.publish_folder(tiny, tmp_path, name=name)
        assert replayed(placed)["serving_default"] == [1, 4]
    assert [row.base_path for row in listed(tmp_path)] == ["/elsewhere", "/models/second"]
    assert (tmp_path / "batching_parameters.txt").read_text() == "max_batch_size { value: 4 }"
    # The server would refuse the version's own requests.
    with pytest.raises(ValueError, match="`warm_up` must be at most 4"):
        serving.publish_folder(tiny, tmp_path, name="third", warm_up=(5,))


@pytest.mark.parametrize("count", [12, pytest.param(50, marks=pytest.mark.heavy)])
def test_a_reader_sees_whole_versions_only(count: int, tiny: Path, tmp_path: Path) -> None:
    base, expected, loaded = tmp_path / "tiny", None, set()
    with ThreadPoolExecutor(1) as pool:
        publish_ = partial(serving.publish_folder, tiny, tmp_path, name="tiny", warm_up=(1,))
        publishing = [pool.submit(publish_) for _ in range(count)]
        while not all(each.done() for each in publishing):
            found = sorted(base.iterdir()) if base.is_dir() else []
            assert all(each.name.isdecimal() for each in found)
            # Every version has the files that the first one had from the first look on.
            expected = expected or (files(found[0]) if found else None)
            assert all(files(version) == expected for version in found)
            newest = max(found, key=lambda each: int(each.name), default=None)
            if newest is not None and newest not in loaded:
                answer = tf.saved_model.load(str(newest)).signatures["serving_default"](images=tf.zeros((1, 2, 2, 3)))
                assert answer["sums"].numpy().tolist() == [1.0]
                loaded.add(newest)
    assert [each.result().name for each in publishing] == [str(number) for number in range(1, count + 1)]
    assert loaded and expected == files(base / str(count))
    assert "assets.extra/tf_serving_warmup_requests" in files(base / "1")


def test_a_version_never_changes(tiny: Path, tmp_path: Path) -> None:
    placed = serving.publish_folder(tiny, tmp_path, name="tiny", version=2)
    before = {name: (placed / name).read_bytes() for name in files(placed)}
    with pytest.raises(FileExistsError, match="holds version 2 already"):
        serving.publish_folder(tiny, tmp_path, name="tiny", version=2)
    assert {name: (placed / name).read_bytes() for name in files(placed)} == before


def test_what_the_server_reads_as_a_version_is_one(tiny: Path, tmp_path: Path) -> None:
    # The third is a digit to Python and none to the server.
    for name in ("007", "3", "\u0669"):
        (tmp_path / "tiny" / name).mkdir(parents=True)
    assert serving.list_versions(tmp_path, "tiny") == [3, 7]
    with pytest.raises(FileExistsError, match="holds version 7 already"):
        serving.publish_folder(tiny, tmp_path, name="tiny", version=7)
    assert serving.publish_folder(tiny, tmp_path, name="tiny", keep=1).name == "8"
    assert {each.name for each in (tmp_path / "tiny").iterdir()} == {"8", "\u0669"}


def batching_message() -> Any:
    """The message that the server reads its batching parameters into, as its source documents it."""
    file = descriptor_pb2.FileDescriptorProto(name="batching.proto", package="batching", syntax="proto3")
    file.dependency.append("google/protobuf/wrappers.proto")
    message = file.message_type.add(name="Parameters")
    names = ["max_batch_size", "batch_timeout_micros", "max_enqueued_batches", "num_batch_threads"]
    kinds = {**dict.fromkeys([*names, "max_execution_batch_size"], "Int64"), "enable_large_batch_splitting": "Bool"}
    for number, (name, kind) in enumerate(kinds.items(), 1):
        type_name = f".google.protobuf.{kind}Value"
        message.field.add(name=name, number=number, type="TYPE_MESSAGE", label="LABEL_OPTIONAL", type_name=type_name)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("batching.Parameters"))()


def test_requests_of_any_size_are_taken(tiny: Path, tmp_path: Path) -> None:
    serving.publish_folder(tiny, tmp_path, name="tiny")
    written = (tmp_path / "batching_parameters.txt").read_text("utf-8")
    parameters = text_format.Parse(written, batching_message())
    # What is above the size of a batch is cut: without, the server refuses it.
    assert parameters.enable_large_batch_splitting.value
    assert parameters.max_execution_batch_size.value == 32 < parameters.max_batch_size.value
    # So that the client's own batches are run as they come.
    assert inspect.signature(client.predict).parameters["batch_size"].default <= 32


def test_a_version_that_appears_meanwhile_stays(tiny: Path, tmp_path: Path) -> None:
    from tf_routing.serving.layout import place

    serving.publish_folder(tiny, tmp_path, name="tiny", version=2)
    shutil.copytree(tiny, tmp_path / "late")
    with pytest.raises(FileExistsError, match="appeared meanwhile"):
        place(tmp_path / "late", tmp_path, "tiny", 2)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"name": "../up"}, "`name` must be letters"),
        ({"name": ".hidden"}, "`name` must be letters"),
        ({"version": 0}, "`version` must be a positive integer"),
        ({"version": 2**63}, "`version` must be at most 9223372036854775807"),
        ({"keep": 0}, "`keep` must be a positive integer"),
        ({"warm_up": (0,)}, "`warm_up` must be a positive integer"),
        ({"warm_up": (1, 1025)}, "`warm_up` must be at most 1024, the largest request"),
    ],
)
def test_wrong_arguments_write_nothing(changed: dict[str, Any], words: str, tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=words):
        serving.publish_folder(tiny, tmp_path / "models", **{"name": "tiny", **changed})
    assert list(tmp_path.iterdir()) == []


def test_an_unreadable_list_is_named_and_stays(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "models.config").write_text("models: [tiny]")
    with pytest.raises(ValueError, match="models.config is no list of models"):
        serving.publish_folder(tiny, tmp_path, name="tiny")
    assert [each.name for each in tmp_path.iterdir()] == ["models.config"]


def test_without_a_saved_model_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="There is no SavedModel at"):
        serving.publish_folder(tmp_path, tmp_path / "models", name="tiny")
    assert list(tmp_path.iterdir()) == []


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_options(parser)
    return parser.parse_args(["run", *words])


def test_the_command_line_publishes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--serving", str(tmp_path), "--name", "net", "--version", "5", "--keep", "1"]
    publish(parsed(*words), tiny_net(), freeze=True)
    assert serving.list_versions(tmp_path, "net") == [5]
    assert str(tmp_path / "net" / "5") in capsys.readouterr().out
    publish(parsed(), tiny_net())
    with pytest.raises(ValueError, match="`--keep` is there for --serving only"):
        check_options(parsed("--keep", "2"))


def test_options_import_neither_keras_nor_tensorflow() -> None:
    code = "import sys, tf_routing.cli.commands.export; assert not {'keras', 'tensorflow', 'numpy'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=_ROOT, check=False).returncode == 0


def test_the_container_files_name_what_is_published(tiny: Path, tmp_path: Path) -> None:
    serving.publish_folder(tiny, tmp_path, name="tiny")
    for name in ("compose.yaml", "kubernetes.yaml"):
        text = (_ROOT / "docs" / "serving" / name).read_text("utf-8")
        options = dict(re.findall(r"- --(\w+)=(\S+)", text))
        # As a comment, for servers that are sent no pictures: the server knows no way to leave a signature out.
        assert options["enable_batching"] == "true"
        assert not re.search(r"^ *- --(enable_batching|batching_parameters_file)", text, re.MULTILINE)
        for option in ("model_config_file", "batching_parameters_file"):
            folder, _, file = options[option].rpartition("/")
            assert (tmp_path / file).is_file(), name
            assert listed(tmp_path)[0].base_path == f"{folder}/tiny"
        assert {"8500", "8501"} == set(re.findall(r"850\d", text))


def test_a_damaged_export_is_not_published(tiny: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(tiny, damaged)
    write_checksums(damaged)
    placed = serving.publish_folder(damaged, tmp_path / "models", name="tiny")
    # The requests came later; the checksums of the version name them too.
    check_checksums(placed)
    (damaged / "saved_model.pb").write_bytes(b"damaged")
    with pytest.raises(ValueError, match=r"Changed, missing or added: saved_model.pb"):
        serving.publish_folder(damaged, tmp_path / "models", name="tiny")
    assert serving.list_versions(tmp_path / "models", "tiny") == [1]


def test_examples_run() -> None:
    for function in (import_extra, serving.list_versions, serving.publish, serving.publish_folder):
        test = doctest.DocTestParser().get_doctest(
            inspect.getdoc(function), {**vars(serving), function.__name__: function}, function.__name__, None, 0
        )
        assert test.examples and doctest.DocTestRunner().run(test).failed == 0, function
