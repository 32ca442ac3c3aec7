"""Training a decoder from a data set on disk, or a downloaded one."""

import importlib.util
from pathlib import Path
from typing import Any

from ftj_spice.common.errors import OutputError, SettingsError
from ftj_spice.generative.decoder import Decoder
from ftj_spice.generative.mnist import download_mnist, load_mnist
from ftj_spice.generative.vae import TrainSettings, train_vae
from ftj_spice.studies.observer import Observer, silent

DATASETS = ("mnist",)


def train(
    dataset: str,
    out: str | Path,
    *,
    data: str | Path | None = None,
    epochs: int | None = None,
    seed: int | None = None,
    force: bool = False,
    observer: Observer = silent,
) -> Decoder:
    """Trains a decoder and writes it.

    Args:
        dataset: Name of the data set; `mnist`.
        out: File to write (`.npz`).
        data: Folder with its files; without it they are downloaded and kept in the user's cache.
        epochs: Epochs of the autoencoder; the default where none are given.
        seed: Seed of every random draw.
        force: Replaces an existing file.
        observer: Told about progress.

    Raises:
        SettingsError: Unknown data set, PyTorch missing, value out of range.
        DataError: Images missing or damaged.
        OutputError: The file can't be written.
    """
    if dataset not in DATASETS:
        raise SettingsError(f"unknown data set {dataset!r}; known: {', '.join(DATASETS)}")
    path = Path(out)
    if path.exists() and not force:
        raise OutputError(f"{path} exists; choose another -o or pass --force")
    if not path.parent.is_dir():
        raise OutputError(f"can't write {path}: there is no folder {path.parent}")
    given: dict[str, Any] = {"epochs": epochs, "seed": seed}
    settings = TrainSettings.parse({k: v for k, v in given.items() if v is not None}, "train")
    if importlib.util.find_spec("torch") is None:  # before anything is downloaded
        raise SettingsError("training needs PyTorch, which is not installed: pip install 'ftj-spice[train]'")
    folder = Path(data) if data else download_mnist(progress=observer)
    images = load_mnist(folder)
    decoder, _ = train_vae(
        images.train_images, settings, lambda done, total, loss: observer("train", done, total),
        test_images=images.test_images,
    )  # fmt: skip
    decoder.record["dataset"] = dataset
    decoder.save(path)
    return decoder
