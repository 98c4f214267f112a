"""The client over real loopback connections, to a server that runs exported networks."""

import doctest
import inspect
import socket
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow_serving", reason="the extra `serving` is not installed")

import tensorflow as tf

import tf_routing
from tests.conformance.subjects import finish, start_python
from tests.gated_net import gated_model, images
from tests.serving.exported import write_tiny
from tests.serving.model_server import ModelServer, broken, served_by_grpc, served_by_rest, slow, spoilt, unavailable
from tests.transforms.routing.own_nets import own_net
from tf_routing import client
from tf_routing.models import RoutedModel

TRANSPORTS = ["grpc", "rest"]


RANGES = {"of_bytes": (0.0, 255.0), "around_zero": (-1.0, 1.0)}


def _net_of_range(taken: tuple[float, float]) -> RoutedModel:
    """Returns a network made elsewhere, for images of 8x8 pixels in a range."""
    net = own_net()
    # Features of numbers around zero are small: answers should differ all the same.
    kernel = net.get_layer("predictions").kernel
    kernel.assign(kernel * 255 / max(taken))
    return tf_routing.add_routing(net, input_range=taken)


class Running:
    """A server, its addresses by transport, and the net behind it."""

    def __init__(self, server: ModelServer, addresses: dict[str, str], model: RoutedModel) -> None:
        self.server, self.addresses, self.model = server, addresses, model


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("models")
    model = gated_model()
    # One signature runs a single image in a way of its own.
    model.execution = "auto"
    tf_routing.export(model, folder / "net" / "3")
    for name, taken in RANGES.items():
        tf_routing.export(_net_of_range(taken), folder / name / "1")
    for version in (1, 2):
        write_tiny(folder / "tiny" / str(version), version)
    server = ModelServer(folder)
    with ExitStack() as stack:
        addresses = {
            "grpc": stack.enter_context(served_by_grpc(server)),
            "rest": stack.enter_context(served_by_rest(server)),
        }
        yield Running(server, addresses, model)


@pytest.fixture(params=TRANSPORTS)
def address(request: pytest.FixtureRequest, running: Running) -> Iterator[str]:
    running.server.requests = 0
    yield running.addresses[request.param]
    running.server.troubles.clear()


def tiny(count: int = 1) -> np.ndarray:
    return np.arange(count * 12, dtype="float64").reshape(count, 2, 2, 3)


def test_predictions_are_the_models(address: str, running: Running) -> None:
    answer = client.predict(images(5), address=address, model="net", batch_size=2)
    expected = np.asarray(running.model(images(5)))
    np.testing.assert_allclose(answer["probabilities"], expected, rtol=1e-4, atol=1e-5)
    assert answer["probabilities"].dtype == np.float32
    np.testing.assert_array_equal(answer["classes"], expected.argmax(axis=-1))
    assert running.server.requests == 3


def test_bytes_and_decisions(address: str, running: Running) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (3, 6, 6, 3), "uint8")
    answer = client.predict(pictures, address=address, model="net", version=3, signature="serve_uint8")
    expected = running.model(pictures.astype("float32") / 255)
    np.testing.assert_allclose(answer["probabilities"], expected, rtol=1e-4, atol=1e-5)
    routes = client.predict(images(), address=address, model="net", signature="routes")
    np.testing.assert_array_equal(routes.pop("macs"), running.model.cost(images()))
    expected = running.model.routes(images())
    assert set(routes) == set(expected)
    for name, gates in expected.items():
        np.testing.assert_allclose(routes[name], gates, rtol=1e-4, atol=1e-5)


def test_the_newest_version_or_the_one_asked_for_answers(address: str) -> None:
    sums = tiny(3).sum(axis=(1, 2, 3))
    for version, value in ((None, 2), (1, 1), (2, 2)):
        answer = client.predict(tiny(3), address=address, model="tiny", version=version)
        # The only output, which REST sends without its name.
        assert list(answer) == ["sums"]
        np.testing.assert_allclose(answer["sums"], sums + value)


def test_encoded_pictures(address: str, running: Running) -> None:
    pictures = [np.full((6, 6, 3), light, "uint8") for light in (10, 200)]
    encoded = [tf.io.encode_png(each).numpy() for each in pictures]
    answer = client.predict(encoded, address=address, model="net", signature="serve_encoded", batch_size=1)
    expected = running.model(np.stack(pictures).astype("float32") / 255)
    np.testing.assert_allclose(answer["probabilities"], expected, rtol=1e-4, atol=1e-5)


SIGNATURES = {
    "serving_default": lambda x: x.astype("float32") / 255,
    "serve_one": lambda x: x.astype("float32") / 255,
    "routes": lambda x: x.astype("float32") / 255,
    "serve_uint8": lambda x: x,
    "serve_encoded": lambda x: [tf.io.encode_png(each).numpy() for each in x],
}


@pytest.mark.parametrize("signature", SIGNATURES)
@pytest.mark.parametrize("counts", [(1, 1), (2, 1)])
def test_joined_requests_are_answered_as_alone(signature: str, counts: tuple[int, int], running: Running) -> None:
    assert set(SIGNATURES) == set(running.server.versions["net"][3])
    pictures = np.random.default_rng(4).integers(0, 256, (sum(counts), 6, 6, 3), "uint8")
    parts = [pictures[: counts[0]], pictures[counts[0] :]]
    where = {"address": running.addresses["grpc"], "model": "net", "signature": signature, "retries": 0}
    alone = [client.predict(SIGNATURES[signature](part), **where) for part in parts]
    running.server.join = 2
    try:
        with ThreadPoolExecutor(2) as pool:
            asked = [pool.submit(client.predict, SIGNATURES[signature](part), **where) for part in parts]
            together = [each.result() for each in asked]
    finally:
        running.server.join = 1
    for part, one, other in zip(parts, alone, together, strict=True):
        assert one.keys() == other.keys()
        for name, value in one.items():
            assert len(value) == len(part)
            np.testing.assert_allclose(other[name], value, rtol=1e-4, atol=1e-5)


def test_bytes_mean_the_same_whoever_is_asked(address: str, running: Running) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (3, 6, 6, 3), "uint8")
    expected = running.model(pictures.astype("float32") / 255)
    assert np.abs(expected - running.model(pictures.astype("float32"))).max() > 1e-2
    for signature in (None, "serving_default", "serve_one", "serve_uint8"):
        answer = client.predict(pictures, address=address, model="net", signature=signature)
        np.testing.assert_allclose(answer["probabilities"], expected, rtol=1e-4, atol=1e-5)
    decisions = client.predict(pictures, address=address, model="net", signature="routes")
    np.testing.assert_array_equal(decisions["macs"], running.model.cost(pictures.astype("float32") / 255))
    answer = client.predict([tf.io.encode_png(each).numpy() for each in pictures], address=address, model="net")
    np.testing.assert_allclose(answer["probabilities"], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", RANGES)
def test_bytes_reach_networks_of_other_ranges_as_they_take_them(name: str, address: str, running: Running) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), "uint8")
    low, high = RANGES[name]
    floats = pictures.astype("float32") / 255 * (high - low) + low
    expected = np.asarray(_net_of_range(RANGES[name])(floats))
    assert np.abs(expected - _net_of_range(RANGES[name])(pictures / np.float32(255))).max() > 1e-3
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for images_, signature in [
            (floats, None),
            *((pictures, each) for each in (None, "serving_default", "serve_one")),
        ]:
            answer = client.predict(images_, address=address, model=name, signature=signature)
            np.testing.assert_allclose(answer["probabilities"], expected, rtol=1e-4, atol=1e-5)
        routes = client.predict(pictures, address=address, model=name, signature="routes")
    np.testing.assert_array_equal(routes["macs"], _net_of_range(RANGES[name]).cost(floats))
    with pytest.warns(UserWarning, match=rf"server takes floats in \[{low:g}, {high:g}\]"):
        client.predict(floats * 1000, address=address, model=name)


def test_the_range_is_asked_for_only_where_it_decides(address: str, running: Running) -> None:
    client.predict(images(), address=address, model="net")
    client.predict(np.zeros((1, 6, 6, 3), "uint8"), address=address, model="net")
    assert running.server.requests == 2


@pytest.mark.parametrize(
    ("dtype", "signature", "words"),
    [
        ("int64", None, "`images` must be floats in .*Received: images of type int64, which does not say which"),
        ("int32", "serving_default", "`images` must be floats in .*Received: images of type int32"),
        ("int64", "serve_uint8", "`images` must be floats in .*Received: images of type int64"),
        ("bool", "routes", "`images` must be floats in .*Received: images of type bool"),
        ("float32", "serve_uint8", "'serve_uint8'` takes bytes .*type float32.*name 'serving_default'"),
        ("float64", "serve_encoded", "'serve_encoded'` takes encoded pictures as bytes.*type float32"),
        ("uint8", "serve_encoded", "'serve_encoded'` takes encoded pictures as bytes.*name 'serve_uint8'"),
        (None, "serve_one", r"'serve_one'` takes floats in \[0, 1\].*encoded pictures.*name 'serve_encoded'"),
    ],
)
def test_images_of_a_type_that_is_not_taken(dtype: str | None, signature: str | None, words: str) -> None:
    given = [b"picture"] if dtype is None else np.ones((1, 6, 6, 3), dtype)
    with pytest.raises(ValueError, match=words):
        client.predict(given, address="http://127.0.0.1:9", model="net", signature=signature)


def test_floats_that_were_bytes_are_told(address: str, running: Running) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (2, 6, 6, 3), "uint8")
    with pytest.warns(UserWarning, match=r"`images` holds values from \d+ to 25\d, and the server takes floats in"):
        client.predict(pictures.astype("float64"), address=address, model="net")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        client.predict(pictures, address=address, model="net", signature="serve_one")


def test_signatures_that_are_not_ours_get_what_is_given(address: str, running: Running) -> None:
    with pytest.raises(client.RequestRefused, match="signature name: .own. not found"):
        client.predict(np.ones((1, 6, 6, 3), "int64"), address=address, model="net", signature="own")


def test_a_joined_request_of_another_shape_fails_in_words(address: str, running: Running) -> None:
    running.server.join = 2
    where = {"address": address, "model": "net", "signature": "serving_default", "retries": 0}
    try:
        with ThreadPoolExecutor(2) as pool:
            asked = [pool.submit(client.predict, np.ones((1, side, 6, 3)), **where) for side in (6, 5)]
            for each in asked:
                with pytest.raises(client.RequestRefused, match="different shapes"):
                    each.result()
    finally:
        running.server.join = 1


def test_a_damaged_picture_is_named_by_its_index(address: str, running: Running) -> None:
    pictures = [tf.io.encode_png(np.full((6, 6, 3), light, "uint8")).numpy() for light in range(7)]
    pictures[4] = pictures[4][:-20]
    with pytest.raises(client.RequestRefused, match=r"(?s)^images\[4\] refused, asked alone: .*Invalid PNG"):
        client.predict(pictures, address=address, model="net", signature="serve_encoded", batch_size=3)
    # One request for the first three, one for the next three, and each of these alone.
    assert running.server.requests == 5


def test_a_picture_that_another_ones_damage_failed_is_answered(address: str, running: Running) -> None:
    pictures = [tf.io.encode_png(np.full((6, 6, 3), light, "uint8")).numpy() for light in (10, 200)]
    expected = client.predict(pictures, address=address, model="net", signature="serve_encoded")
    running.server.troubles.append(spoilt)
    answer = client.predict(pictures, address=address, model="net", signature="serve_encoded")
    np.testing.assert_allclose(answer["probabilities"], expected["probabilities"], rtol=1e-5)


def test_inputs_by_name(address: str) -> None:
    answer = client.predict({"images": tiny(2)}, address=address, model="tiny", version=1)
    np.testing.assert_allclose(answer["sums"], tiny(2).sum(axis=(1, 2, 3)) + 1)


def test_what_fails_twice_is_asked_three_times(address: str, running: Running) -> None:
    running.server.troubles += [unavailable, unavailable]
    answer = client.predict(tiny(), address=address, model="tiny", version=1, retries=2, backoff=0.01)
    np.testing.assert_allclose(answer["sums"], [67])
    assert running.server.requests == 3


def test_retries_end(address: str, running: Running) -> None:
    running.server.troubles += [unavailable, unavailable]
    with pytest.raises(client.ServerUnavailable, match="the queue is full.*Tried 2 times"):
        client.predict(tiny(), address=address, model="tiny", retries=1, backoff=0.01)
    assert running.server.requests == 2


def test_a_slow_server_is_a_timeout_that_is_not_repeated(address: str, running: Running) -> None:
    running.server.troubles += [slow(1.0)]
    with pytest.raises(client.ServerTimeout, match="did not answer within 0.2 s"):
        client.predict(tiny(), address=address, model="tiny", timeout=0.2, retries=2, backoff=0.01)
    assert running.server.requests == 1


def test_a_timeout_is_repeated_where_that_is_asked_for(address: str, running: Running) -> None:
    running.server.troubles += [slow(1.0)]
    answer = client.predict(
        tiny(), address=address, model="tiny", timeout=0.5, retries=1, backoff=0.01, retry_timeouts=True
    )
    np.testing.assert_allclose(answer["sums"], [68])


@pytest.mark.parametrize(
    ("asked", "kind", "words"),
    [
        ({"model": "nothing"}, client.ModelNotFound, "model 'nothing', signature 'serving_default'.*not found"),
        ({"model": "tiny", "version": 7}, client.ModelNotFound, "model 'tiny', version 7.*not found"),
        ({"model": "tiny", "signature": "sing"}, client.RequestRefused, "signature name: .sing. not found"),
        ({"model": "net"}, client.RequestRefused, r"model 'net'.*\[1,2,2,3\] .*expected"),
    ],
)
def test_errors_of_the_server_are_told_once(
    asked: dict[str, Any], kind: type[Exception], words: str, address: str, running: Running
) -> None:
    with pytest.raises(kind, match=f"(?s){words}"):
        client.predict(tiny(), address=address, backoff=0.01, **asked)
    assert running.server.requests <= 1


def test_a_failing_server_says_so(address: str, running: Running) -> None:
    running.server.troubles += [broken]
    with pytest.raises(client.ServingError, match="out of paper"):
        client.predict(tiny(), address=address, model="tiny")


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_nobody_there(scheme: str) -> None:
    with socket.socket() as taken:
        # Bound and not listening: nobody else can take it meanwhile.
        taken.bind(("127.0.0.1", 0))
        address = f"{scheme}://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(client.ServerUnavailable, match="Tried 2 times"):
            client.predict(tiny(), address=address, model="tiny", retries=1, backoff=0.01)


def test_what_is_no_model_server_is_shown(running: Running) -> None:
    with pytest.raises(client.RequestRefused, match="Malformed request: POST /elsewhere/v1"):
        client.predict(tiny(), address=f"{running.addresses['rest']}/elsewhere", model="tiny")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"address": "localhost:1234"}, "`address` must begin with grpc:// or http://"),
        ({"address": "ftp://localhost"}, "`address` must be grpc://host:port"),
        ({"address": "grpc://localhost", "transport": "rest"}, "`transport` contradicts the address"),
        ({"transport": "pigeon"}, "`transport` must be one of 'grpc', 'rest'"),
        ({"model": ""}, "`model` must be the name"),
        ({"model": "a/b"}, "`model` must be the name"),
        ({"version": -1}, "`version` must be an integer of at least zero"),
        ({"batch_size": 0}, "`batch_size` must be a positive integer"),
        ({"timeout": 0}, "`timeout` must be a positive number"),
        ({"retries": -1}, "`retries` must be an integer of at least zero"),
        ({"images": np.zeros((0, 2, 2, 3))}, "at least one image"),
        ({"images": {"images": tiny(2), "cost": [1.0]}}, "as many of everything. Received: .*2.*1"),
        ({"images": ["a.png"]}, "a list of bytes"),
        ({"images": 3.0}, "`images` must be an array of numbers"),
    ],
)
def test_wrong_arguments_are_told_before_anything_is_sent(changed: dict[str, Any], words: str) -> None:
    given = {"images": tiny(), "address": "http://127.0.0.1:9", "model": "tiny", **changed}
    with pytest.raises(ValueError, match=words):
        client.predict(given.pop("images"), **given)


@pytest.mark.parametrize(
    ("address", "transport", "location"),
    [
        ("localhost:8500", "grpc", "localhost:8500"),
        ("localhost:8501", "rest", "http://localhost:8501"),
        ("grpc://models", "grpc", "models:8500"),
        ("grpc://[::1]:99", "grpc", "[::1]:99"),
        ("https://models/zoo/", "rest", "https://models/zoo"),
    ],
)
def test_addresses(address: str, transport: str, location: str) -> None:
    from tf_routing.client.addresses import parse_address

    assert parse_address(address) == (transport, location)
    assert parse_address("models:99", "grpc") == ("grpc", "models:99")


_WITHOUT = """
import sys
for module in ("keras", "tensorflow", "tensorflow_serving", "grpc"):
    sys.modules[module] = None
import numpy as np
from tf_routing import client
images = np.arange(12.0).reshape(1, 2, 2, 3)
print(client.predict(images, address=sys.argv[1], model="tiny", version=1)["sums"])
try:
    client.predict(images, address=sys.argv[1].replace("http", "grpc"), model="tiny")
except ImportError as error:
    print(error)
"""


def test_rest_needs_no_tensorflow_and_a_missing_extra_is_named(running: Running) -> None:
    printed = finish(start_python(_WITHOUT, running.addresses["rest"])).splitlines()
    assert printed[0] == "[67.]"
    assert "pip install 'tf_routing[serving]'" in printed[1]


def test_examples_run(running: Running) -> None:
    names = {"address": running.addresses["rest"], "np": np}
    running.server.versions["digits"] = running.server.versions["net"]
    for name in client.__all__:
        test = doctest.DocTestParser().get_doctest(
            inspect.getdoc(getattr(client, name)), {**vars(client), **names}, name, None, 0
        )
        assert test.examples, name
        assert doctest.DocTestRunner().run(test).failed == 0, name
