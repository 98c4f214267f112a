"""File signatures (magic numbers) and file extensions of the image formats that are read. Imports no TensorFlow."""

import os

JPEG = (b"\xff\xd8\xff",)
# Nothing may come before a PNG's header, whose length is always the same.
PNG = (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",)
GIF = (b"GIF87a", b"GIF89a")
BMP = (b"BM",)
# The four bytes in between are the file's length.
WEBP = (b"RIFF\0\0\0\0WEBPVP8",)

EXTENSIONS = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".dib", ".webp")
_SIGNATURES = (*JPEG, *PNG, *GIF, *WEBP)


def is_image_file(path: str) -> bool:
    """Returns whether a file is a picture of a format that is read, by its name's ending or else by its content.

    Two letters at the beginning do not make a BMP file of one that is not called so.
    """
    if path.lower().endswith(EXTENSIONS):
        return True
    try:
        with open(path, "rb") as file:
            content = file.read(max(map(len, _SIGNATURES)))
    except OSError:
        return False
    return any(_begins_with(content, word) for word in _SIGNATURES)


def _begins_with(content: bytes, word: bytes) -> bool:
    pairs = zip(content, word, strict=False)
    return len(content) >= len(word) and all(expected in (0, found) for found, expected in pairs)


def extension(path: str) -> str:
    """Returns what a file's name ends in, for people.

    Example:

    >>> extension("notes.TXT"), extension("LICENSE")
    ('.txt', 'without an ending')
    """
    return os.path.splitext(path)[1].lower() or "without an ending"
