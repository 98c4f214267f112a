"""Arguments of the network on the command line have the types that are meant."""

from typing import Any

import pytest

from tf_routing.cli.program import program_parser


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # As Python writes them, and so cards and tables do; as JSON does; and text.
        *(("True", True), ("False", False), ("None", None)),
        *(("true", True), ("false", False), ("null", None), ("0.5", 0.5), ("[1, 2]", [1, 2]), ('"None"', "None")),
        *(("cp", "cp"), ("a=b", "a=b")),
    ],
)
def test_set_gives_the_value_that_is_written(text: str, value: Any) -> None:
    parsed = program_parser().parse_args(["cost", "dmnn50_n2", "--set", f"use_previous={text}"])
    ((name, found),) = parsed.set
    assert name == "use_previous" and found == value and type(found) is type(value)
