"""The address of a request on the server: model, version and signature."""

from typing import NamedTuple


class Servable(NamedTuple):
    """A model of a server, one of its versions (the newest where `None`), and one of its signatures."""

    model: str
    version: int | None
    signature: str

    def __str__(self) -> str:
        version = "" if self.version is None else f", version {self.version}"
        return f"model {self.model!r}{version}, signature {self.signature!r}"
