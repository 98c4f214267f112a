"""Data files inside the package."""

from importlib import resources


def read_package_file(package: str, name: str) -> str:
    """Returns the text of a data file that lies beside the modules of a package.

    Args:
        package: Name of the package, such as `"tf_routing.zoo"`.
        name: Name of the file.

    Example:

    >>> read_package_file("tf_routing.zoo", "reported.json")[0]
    '['
    """
    return resources.files(package).joinpath(name).read_text("utf-8")
