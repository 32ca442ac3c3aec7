"""Training a decoder: variational autoencoder, latent flow, distillation into one plain network.

A VAE alone leaves gaps: its encoder does not fill the standard normal prior evenly, so plain N(0, 1) latents often
decode to something between two digits. Three stages close them:

1. **VAE**: encoder and decoder are trained on the evidence lower bound (ELBO) with Bernoulli pixels
   (Kingma and Welling, arXiv:1312.6114).
2. **Flow**: a small network learns the transport from N(0, 1) to the encoder's latents by conditional flow matching
   (Lipman et al., arXiv:2210.02747).
3. **Distillation**: the decoder is trained on to give, for plain N(0, 1) latents, the images that transport and VAE
   decoder give together. The result is one multilayer perceptron; encoder and flow are not needed any more.

PyTorch is needed here and nowhere else.
"""

import hashlib
import importlib.util
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ftj_spice.common.errors import DataError, SettingsError
from ftj_spice.common.settings import Strict
from ftj_spice.generative import training_stages as stages
from ftj_spice.generative.decoder import Decoder

logger = logging.getLogger(__name__)

Progress = Callable[[int, int, float], None]
"""Called after each epoch with its number from 1, the number of epochs in all stages, and its stage's mean loss."""

Widths = Annotated[tuple[Annotated[int, Field(ge=1, le=8192)], ...], Field(min_length=1, max_length=8)]


class TrainSettings(Strict):
    """How a decoder is trained; the defaults are those of the shipped MNIST decoder."""

    latent_dim: int = Field(default=16, ge=1, le=1024)
    """Number of latent components: the rows of the array's first tile."""
    hidden: Widths = (256, 512)
    """Widths of the decoder's hidden layers, from the latents on."""
    encoder_hidden: Widths = (512, 256)
    """Widths of the encoder's hidden layers, from the image on."""
    flow_hidden: Widths = (256, 256, 256)
    """Widths of the flow network's hidden layers."""
    epochs: int = Field(default=24, ge=1, le=100_000)
    """Epochs of the VAE."""
    flow_epochs: int = Field(default=50, ge=1, le=100_000)
    """Epochs of the flow; not used without distillation."""
    distillation_epochs: int = Field(default=48, ge=0, le=100_000)
    """Epochs of the distillation; 0 keeps the VAE's own decoder."""
    batch_size: int = Field(default=256, ge=1, le=65_536)
    """Images or latents per step, in all stages."""
    learning_rate: float = Field(default=2e-3, gt=0, le=1)
    """Adam's step size at the start of each stage; it falls to 0 along a cosine."""
    latent_spread: float = Field(default=0.3, ge=0, le=1)
    """Width of the latents that the flow learns, as a fraction of the encoder's; below 1 gives cleaner images."""
    teacher_gain: float = Field(default=3.0, gt=0, le=20)
    """Output gain of the VAE decoder as teacher of the distillation."""
    output_gain: float = Field(default=1.5, gt=0, le=20)
    """Output gain of the finished decoder."""
    seed: int = Field(default=1, ge=0)
    """Seed of every random draw."""
    threads: int = Field(default=2, ge=1, le=256)
    """Threads of PyTorch; a result can be repeated bit for bit only with the same number."""


@dataclass(frozen=True)
class TrainingHistory:
    """What happened during training.

    Attributes:
        vae: Mean negative ELBO per image of each epoch, nat.
        flow: Mean squared velocity error per component of each epoch.
        distillation: Mean binary cross-entropy per image of each epoch, nat.
        seconds: Duration, s.
    """

    vae: tuple[float, ...]
    flow: tuple[float, ...]
    distillation: tuple[float, ...]
    seconds: float


def train_vae(
    images: NDArray[np.uint8],
    settings: TrainSettings | None = None,
    progress: Progress | None = None,
    *,
    test_images: NDArray[np.uint8] | None = None,
) -> tuple[Decoder, TrainingHistory]:
    """Trains a decoder.

    The same images, settings and PyTorch version give the same weights bit for bit on one machine. The weights are
    rounded to half precision, so that the decoder's file holds exactly what is returned.

    Args:
        images: Grey images (n, height, width), 0 to 255.
        settings: By default `TrainSettings()`.
        progress: Called after each epoch.
        test_images: Images of the same size that are not trained on; with them the record has test figures too.

    Returns:
        The decoder, with settings, versions, the data's checksum and the reached figures in its record; and the course.

    Raises:
        DataError: The images have another shape or type.
        SettingsError: PyTorch is missing, or the training diverged.
    """
    settings = settings or TrainSettings()
    parts = {"train": _checked(images, "images")}
    if test_images is not None:
        parts["test"] = _checked(test_images, "test images")
        if test_images.shape[1:] != images.shape[1:]:
            raise DataError(f"test images are {test_images.shape[1:]} pixels, the training images {images.shape[1:]}")
    if importlib.util.find_spec("torch") is None:
        raise SettingsError("training needs PyTorch, which is not installed: pip install 'ftj-spice[train]'")
    import torch

    start = time.monotonic()
    steps = max(1, len(images) // settings.batch_size)
    loop = stages.Loop(steps, settings.learning_rate, _counter(settings, progress))
    flow, flow_losses, distillation_losses = None, (), ()
    with stages.reproducible(settings.seed, settings.threads):
        pixels = {name: stages.pixels(part) for name, part in parts.items()}
        vae, vae_losses = stages.train_autoencoder(pixels["train"], settings, loop)
        final = vae.decoder
        if settings.distillation_epochs:
            logger.info("VAE trained; learning the latent flow")
            flow, flow_losses = stages.train_flow(vae, pixels["train"], settings, loop)
            logger.info("flow trained; distilling")
            final, distillation_losses = stages.distil(vae, flow, settings, loop)
        decoder = Decoder(stages.half_precision_layers(final), images.shape[1:], settings.output_gain)
        figures = {}
        for name, part in pixels.items():
            latents = stages.latents(vae, flow, part)
            figures[f"{name}_negative_elbo"] = stages.negative_elbo(vae, part)
            figures[f"{name}_reconstruction_mse"] = _reconstruction_mse(decoder, latents, parts[name])
    seconds = time.monotonic() - start
    decoder.record.update(
        settings=settings.model_dump(mode="json"),
        versions={"torch": str(torch.__version__), "numpy": np.__version__},
        data={
            name: {"shape": list(part.shape), "sha256": hashlib.sha256(part.tobytes()).hexdigest()}
            for name, part in parts.items()
        },
        figures=figures,
        duration=round(seconds, 1),
    )
    return decoder, TrainingHistory(vae_losses, flow_losses, distillation_losses, seconds)


def _checked(images: NDArray[np.uint8], what: str) -> NDArray[np.uint8]:
    """Returns `images` if they are a stack of grey images."""
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.ndim != 3 or images.size == 0:
        given = f"{images.dtype} {images.shape}" if isinstance(images, np.ndarray) else type(images).__name__
        raise DataError(f"{what} must be an array of unsigned bytes (n, height, width) with n > 0, got {given}")
    return images


def _reconstruction_mse(decoder: Decoder, latents: NDArray[np.float32], images: NDArray[np.uint8]) -> float:
    """Returns the mean squared difference of pixels in [0, 1] between images and what their latents decode to."""
    total = 0.0
    for first in range(0, len(images), 1000):
        chosen = slice(first, first + 1000)
        total += np.square(decoder(latents[chosen]) - images[chosen] / 255.0).sum()
    return float(total / images.size)


def _counter(settings: TrainSettings, progress: Progress | None) -> Callable[[float], None]:
    """Returns a function that counts the epochs of all stages and passes each one's loss to `progress`."""
    refining = settings.flow_epochs + settings.distillation_epochs if settings.distillation_epochs else 0
    total, done = settings.epochs + refining, 0

    def report(loss: float) -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total, loss)

    return report
