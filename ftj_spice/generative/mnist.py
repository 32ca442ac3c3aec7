"""The MNIST handwritten digits (LeCun, Cortes, Burges): read from a folder, or downloaded once into a cache."""

import hashlib
import logging
import os
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.errors import DataError, OutputError
from ftj_spice.common.files import replace_file
from ftj_spice.generative.idx import read_idx

logger = logging.getLogger(__name__)

MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)
MD5 = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
}
_TIMEOUT = 30.0
_CHUNK = 1 << 16
_MAX_BYTES = 1 << 26

DownloadProgress = Callable[[str, int, int | None], None]
"""Called with a file's name, the bytes received so far and, where the server says it, the file's size."""


@dataclass(frozen=True, eq=False)
class Mnist:
    """The data set, as read-only unsigned bytes: 0 is background, 255 is ink.

    Attributes:
        train_images: (60000, 28, 28).
        train_labels: (60000,), digits 0 to 9.
        test_images: (10000, 28, 28).
        test_labels: (10000,), digits 0 to 9.
    """

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.uint8]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.uint8]


def load_mnist(folder: str | Path) -> Mnist:
    """Reads the four IDX files of a folder.

    They may be gzipped or plain, and named like `train-images-idx3-ubyte` or like `train-images.idx3-ubyte`.
    A set with fewer images in the same format is read too.

    Raises:
        DataError: A file is missing, damaged, or does not fit to its partner.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; it should hold the four MNIST files, e.g. {next(iter(MD5))}")
    return Mnist(*_load_pair(folder, "train"), *_load_pair(folder, "t10k"))


def _load_pair(folder: Path, part: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Reads and cross-checks the images and labels of one part, `train` or `t10k`."""
    image_file, label_file = _find(folder, f"{part}-images", "idx3"), _find(folder, f"{part}-labels", "idx1")
    images, labels = read_idx(image_file, 3), read_idx(label_file, 1)
    if images.shape[1:] != (28, 28):
        raise DataError(
            f"{image_file}: MNIST images are 28 x 28 pixels, these are {images.shape[1]} x {images.shape[2]}"
        )
    if len(images) == 0:
        raise DataError(f"{image_file}: holds no images")
    if len(labels) != len(images):
        raise DataError(f"{label_file}: holds {len(labels)} labels for the {len(images)} images of {image_file.name}")
    if labels.max() > 9:
        raise DataError(f"{label_file}: labels must be digits from 0 to 9, found {labels.max()}")
    return images, labels


def _find(folder: Path, stem: str, kind: str) -> Path:
    """Finds a file under any of its usual names."""
    for name in (f"{stem}-{kind}-ubyte", f"{stem}.{kind}-ubyte"):
        for path in (folder / f"{name}.gz", folder / name):
            if path.is_file():
                return path
    raise DataError(
        f"{folder}: {stem}-{kind}-ubyte.gz is missing (or the same without .gz, or with a dot before {kind})"
    )


def cache_folder() -> Path:
    """Returns where downloads are kept.

    That is `mnist` inside `FTJ_SPICE_CACHE`, else inside `ftj-spice` in `XDG_CACHE_HOME` or `~/.cache`.
    """
    own = os.environ.get("FTJ_SPICE_CACHE")
    if own:
        return Path(own) / "mnist"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ftj-spice" / "mnist"


def download_mnist(
    cache: str | Path | None = None, progress: DownloadProgress | None = None, mirrors: Sequence[str] = MIRRORS
) -> Path:
    """Fetches the four files into a cache folder, unless they are there already with the right checksum.

    Args:
        cache: The folder; by default `cache_folder()`. It is made where it does not exist.
        progress: Called while data arrives.
        mirrors: Base URLs, tried in this order for each file.

    Returns:
        The folder, ready for `load_mnist`.

    Raises:
        DataError: No mirror delivered a file with the right checksum.
        OutputError: The cache can't be written.
    """
    folder = cache_folder() if cache is None else Path(cache)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: the download cache can't be made: {error.strerror or error}") from error
    for name, md5 in MD5.items():
        if not _is_cached(folder / name, md5):
            replace_file(folder / name, _fetch(name, md5, mirrors, progress))
    return folder


def _is_cached(path: Path, md5: str) -> bool:
    """Says whether a file is there and undamaged."""
    try:
        return _md5(path.read_bytes()) == md5
    except OSError:
        return False


def _fetch(name: str, md5: str, mirrors: Sequence[str], progress: DownloadProgress | None) -> bytes:
    """Downloads one file from the first mirror that delivers it undamaged."""
    failures = []
    for mirror in mirrors:
        try:
            content = _receive(mirror, name, progress)
        except (OSError, HTTPException, ValueError) as error:
            failures.append(f"{mirror}: {getattr(error, 'reason', None) or error}")
        else:
            if _md5(content) == md5:
                return content
            failures.append(f"{mirror}: the file arrived damaged (wrong checksum)")
        logger.warning("MNIST download of %s failed from %s", name, failures[-1])
    raise DataError(
        f"MNIST file {name} could not be downloaded ({'; '.join(failures) or 'no mirrors'}); "
        "put the four MNIST files into a folder and pass it with --data DIR"
    ) from None


def _receive(mirror: str, name: str, progress: DownloadProgress | None) -> bytes:
    """Reads one URL to its end, or until it is larger than any MNIST file."""
    url = urllib.parse.urljoin(mirror, name)
    if not url.startswith(("https://", "http://")):
        raise ValueError("only http and https addresses are fetched")
    content = bytearray()
    with urllib.request.urlopen(url, timeout=_TIMEOUT) as response:  # noqa: S310
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() else None
        while chunk := response.read(_CHUNK):
            content += chunk
            if len(content) > _MAX_BYTES:
                raise ValueError("the server sends more than an MNIST file")
            if progress is not None:
                progress(name, len(content), total)
    return bytes(content)


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
