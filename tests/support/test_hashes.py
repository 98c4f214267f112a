"""Hashes of files."""

from pathlib import Path

from tf_routing.support.hashes import hash_file


def test_the_hash_is_that_of_the_standard(tmp_path: Path) -> None:
    file = tmp_path / "abc"
    file.write_bytes(b"abc")
    # FIPS 180-4, the example of one block.
    assert hash_file(file) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
