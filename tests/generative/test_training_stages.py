"""The flow's transport and the ELBO against closed forms."""

import numpy as np
import pytest

from ftj_spice.generative import training_stages as stages

torch = pytest.importorskip("torch")


def linear_velocity(matrix, pull):
    """The field v(x, t) = x @ matrix + pull * t as a network."""
    network = torch.nn.Sequential(torch.nn.Linear(len(matrix) + 1, len(matrix)))
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor(np.vstack((matrix, pull)).T))
        network[0].bias.zero_()
    return network


class Identity(torch.nn.Module):
    def forward(self, pixels):
        return torch.cat((pixels, torch.zeros_like(pixels)), dim=1)


def test_transport_back_follows_the_differential_equation():
    # dx/dt = a x + t from x(1) back to x(0): x(t) = c exp(a t) - t / a - 1 / a^2.
    rate = 0.5
    velocity = linear_velocity(np.eye(2) * rate, np.ones(2))
    vae = stages.Autoencoder(Identity(), torch.nn.Identity())
    end = np.array([[0.3, -1.2], [2.0, 0.0]], np.float32)
    constant = (end + 1 / rate + 1 / rate**2) / np.exp(rate)
    start = stages.latents(vae, velocity, torch.from_numpy(end))
    np.testing.assert_allclose(start, constant - 1 / rate**2, atol=1e-4)


def test_latents_without_a_flow_are_the_encoder_means():
    vae = stages.Autoencoder(Identity(), torch.nn.Identity())
    pixels = torch.rand(2500, 3, generator=torch.Generator().manual_seed(0))
    assert np.array_equal(stages.latents(vae, None, pixels), pixels.numpy())


def test_negative_elbo_of_an_indifferent_decoder():
    # Logits 0 cost ln 2 per pixel whatever the latents; KL of N(m, 1) against N(0, 1) is m^2 / 2.
    class Nothing(torch.nn.Module):
        def forward(self, latents):
            return torch.zeros_like(latents)

    pixels = torch.tensor([[0.0, 1.0], [0.5, 0.5]])
    vae = stages.Autoencoder(Identity(), Nothing())
    expected = 2 * np.log(2) + (0.5 + 0.25) / 2
    assert stages.negative_elbo(vae, pixels) == pytest.approx(expected, rel=1e-6)


def test_half_precision_layers_compute_what_the_network_does():
    network = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.ReLU(), torch.nn.Linear(5, 2))
    (first, first_bias), (second, second_bias) = stages.half_precision_layers(network)
    assert first.dtype == np.float16
    assert (first.shape, second.shape) == ((3, 5), (5, 2))
    z = np.array([[0.3, -1.0, 2.0]], np.float32)
    with torch.no_grad():
        expected = network(torch.from_numpy(z)).numpy()
    np.testing.assert_allclose(np.maximum(z @ first + first_bias, 0) @ second + second_bias, expected, atol=5e-3)
