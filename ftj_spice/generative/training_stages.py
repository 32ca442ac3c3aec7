"""The three training stages in PyTorch (see `vae.py`); torch is imported only inside the functions."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ftj_spice.common.errors import SettingsError
from ftj_spice.common.seeds import seed_sequence

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ftj_spice.generative.vae import TrainSettings

_TRANSPORT_STEPS = 4
_EVALUATION_BATCH = 1000


@dataclass(frozen=True)
class Loop:
    """The optimisation loop that the stages share: Adam with a step size that falls to 0 along a cosine.

    Attributes:
        steps: Steps per epoch.
        learning_rate: Step size at the start.
        report: Called with each epoch's mean loss.
    """

    steps: int
    learning_rate: float
    report: Callable[[float], None]

    def run(self, loss: Callable[[], Tensor], parameters: Iterable[nn.Parameter], epochs: int) -> tuple[float, ...]:
        """Minimises `loss`, which is called once per step, and returns each epoch's mean loss.

        Raises:
            SettingsError: An epoch's loss is not finite.
        """
        import torch

        optimiser = torch.optim.Adam(parameters, self.learning_rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs * self.steps)
        course = []
        for epoch in range(epochs):
            total = 0.0
            for _ in range(self.steps):
                optimiser.zero_grad()
                value = loss()
                value.backward()
                optimiser.step()
                schedule.step()
                total += value.item()
            if not math.isfinite(total):
                raise SettingsError(
                    f"the training diverged in epoch {epoch + 1} of a stage: "
                    f"use a learning rate below {self.learning_rate}"
                )
            course.append(total / self.steps)
            self.report(course[-1])
        return tuple(course)


class Autoencoder(NamedTuple):
    """A VAE's networks: `encoder` gives means and logarithms of variances side by side, `decoder` pixel logits."""

    encoder: nn.Sequential
    decoder: nn.Sequential

    def posterior(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Returns means and logarithms of variances, each (n, latent_dim), of pixels (n, height * width)."""
        mean, log_variance = self.encoder(pixels).chunk(2, dim=1)
        return mean, log_variance

    def loss(self, pixels: Tensor) -> Tensor:
        """Returns the mean negative ELBO per image (nat) with one posterior draw per image."""
        import torch
        from torch.nn.functional import binary_cross_entropy_with_logits

        mean, log_variance = self.posterior(pixels)
        logits = self.decoder(mean + torch.exp(log_variance / 2) * torch.randn_like(mean))
        mismatch = binary_cross_entropy_with_logits(logits, pixels, reduction="sum")
        divergence = (mean**2 + log_variance.exp() - 1 - log_variance).sum() / 2
        return (mismatch + divergence) / len(pixels)


@contextmanager
def reproducible(seed: int, threads: int) -> Iterator[None]:
    """Makes PyTorch deterministic, seeded and `threads` wide inside the block, and puts its global state back after."""
    import torch

    before = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    with torch.random.fork_rng(devices=[]):
        torch.set_num_threads(threads)
        torch.set_deterministic_debug_mode("error")
        torch.default_generator.manual_seed(int(seed_sequence(seed, "train").generate_state(1, np.uint64)[0]))
        try:
            yield
        finally:
            torch.set_num_threads(before[0])
            torch.set_deterministic_debug_mode(before[1])


def pixels(images: np.ndarray) -> Tensor:
    """Returns images (n, height, width) of unsigned bytes as float32 pixels (n, height * width) in [0, 1]."""
    import torch

    return torch.from_numpy(images.reshape(len(images), -1).astype(np.float32) / 255)


def train_autoencoder(pixels: Tensor, settings: TrainSettings, loop: Loop) -> tuple[Autoencoder, tuple[float, ...]]:
    """Trains the VAE on pixels (n, height * width).

    Returns:
        The networks and each epoch's mean loss.

    Raises:
        SettingsError: The training diverged.
    """
    from torch import nn

    size = pixels.shape[1]
    vae = Autoencoder(
        _perceptron((size, *settings.encoder_hidden, 2 * settings.latent_dim), nn.ReLU),
        _perceptron((settings.latent_dim, *settings.hidden, size), nn.ReLU),
    )
    batches = _batches(len(pixels), settings.batch_size)
    parameters = itertools.chain(vae.encoder.parameters(), vae.decoder.parameters())
    return vae, loop.run(lambda: vae.loss(pixels[next(batches)]), parameters, settings.epochs)


def train_flow(
    vae: Autoencoder, pixels: Tensor, settings: TrainSettings, loop: Loop
) -> tuple[nn.Sequential, tuple[float, ...]]:
    """Trains the velocity field that carries N(0, 1) at time 0 to the encoder's latents at time 1.

    Returns:
        The network, (n, latent_dim + 1) -> (n, latent_dim), whose last input is the time; and each epoch's mean loss.

    Raises:
        SettingsError: The training diverged.
    """
    import torch
    from torch import nn

    with torch.no_grad():
        mean, log_variance = vae.posterior(pixels)
    deviation = settings.latent_spread * torch.exp(log_variance / 2)
    width = settings.latent_dim
    velocity = _perceptron((width + 1, *settings.flow_hidden, width), nn.SiLU)
    batches = _batches(len(pixels), settings.batch_size)

    def loss() -> Tensor:
        chosen = next(batches)
        end = mean[chosen] + deviation[chosen] * torch.randn(len(chosen), width)
        start, time = torch.randn_like(end), torch.rand(len(chosen), 1)
        estimate = velocity(torch.cat((torch.lerp(start, end, time), time), dim=1))
        return ((estimate - (end - start)) ** 2).mean()

    return velocity, loop.run(loss, velocity.parameters(), settings.flow_epochs)


def distil(
    vae: Autoencoder, velocity: nn.Sequential, settings: TrainSettings, loop: Loop
) -> tuple[nn.Sequential, tuple[float, ...]]:
    """Trains a copy of the VAE's decoder to do the transport as well, on fresh N(0, 1) latents.

    Returns:
        The network and each epoch's mean loss.

    Raises:
        SettingsError: The training diverged.
    """
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    student = copy.deepcopy(vae.decoder)

    def loss() -> Tensor:
        noise = torch.randn(settings.batch_size, settings.latent_dim)
        with torch.no_grad():
            target = torch.sigmoid(settings.teacher_gain * vae.decoder(_transport(velocity, noise)))
        return binary_cross_entropy_with_logits(student(noise), target, reduction="sum") / len(noise)

    return student, loop.run(loss, student.parameters(), settings.distillation_epochs)


def half_precision_layers(network: nn.Sequential) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Returns a perceptron's weights (inputs, outputs) and biases (outputs,), rounded to float16."""
    from torch import nn

    linear = (module for module in network if isinstance(module, nn.Linear))
    return tuple((module.weight.detach().half().T.numpy(), module.bias.detach().half().numpy()) for module in linear)


def latents(vae: Autoencoder, velocity: nn.Sequential | None, pixels: Tensor) -> np.ndarray:
    """Returns the latents (n, latent_dim) that stand for images: the encoder's means, carried back through the flow."""
    import torch

    with torch.no_grad():
        parts = []
        for part in pixels.split(_EVALUATION_BATCH):
            mean, _ = vae.posterior(part)
            parts.append(mean if velocity is None else _transport(velocity, mean, backwards=True))
        return torch.cat(parts).numpy()


def negative_elbo(vae: Autoencoder, pixels: Tensor) -> float:
    """Returns the mean negative ELBO per image (nat) of pixels (n, height * width)."""
    import torch

    with torch.no_grad():
        return sum(vae.loss(part).item() * len(part) for part in pixels.split(_EVALUATION_BATCH)) / len(pixels)


def _perceptron(widths: tuple[int, ...], activation: type[nn.Module]) -> nn.Sequential:
    """Returns linear layers of the given widths with an activation between them."""
    from torch import nn

    modules: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(widths):
        modules += (nn.Linear(inputs, outputs), activation())
    return nn.Sequential(*modules[:-1])


def _batches(count: int, size: int) -> Iterator[Tensor]:
    """Yields full batches of indices below `count` for ever, in a new order each time round."""
    import torch

    size = min(size, count)
    while True:
        yield from torch.randperm(count).split(size)[: count // size]


def _transport(velocity: nn.Sequential, latents: Tensor, backwards: bool = False) -> Tensor:
    """Carries latents (n, latent_dim) from time 0 to 1, or back, with Runge-Kutta steps of fourth order."""
    import torch

    def slope(position: Tensor, time: float) -> Tensor:
        return velocity(torch.cat((position, torch.full((len(position), 1), time)), dim=1))

    step = (-1 if backwards else 1) / _TRANSPORT_STEPS
    time = 1.0 if backwards else 0.0
    for _ in range(_TRANSPORT_STEPS):
        first = slope(latents, time)
        second = slope(latents + step / 2 * first, time + step / 2)
        third = slope(latents + step / 2 * second, time + step / 2)
        fourth = slope(latents + step * third, time + step)
        latents = latents + step / 6 * (first + 2 * second + 2 * third + fourth)
        time += step
    return latents
