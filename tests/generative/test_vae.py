import importlib.util

import numpy as np
import pytest
from pydantic import ValidationError

from ftj_spice.common.errors import DataError, SettingsError
from ftj_spice.generative.decoder import Decoder
from ftj_spice.generative.vae import TrainSettings, train_vae

TINY = {
    "latent_dim": 3,
    "hidden": (16, 24),
    "encoder_hidden": (24,),
    "flow_hidden": (16,),
    "epochs": 60,
    "flow_epochs": 20,
    "distillation_epochs": 20,
    "batch_size": 32,
    "learning_rate": 0.01,
    "threads": 1,
}


def halves(count=128, seed=0):
    """Small images with one bright half: left, right, top or bottom."""
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 30, (count, 6, 7), dtype=np.uint8)
    bright = [np.s_[:, :3], np.s_[:, 4:], np.s_[:3], np.s_[3:]]
    for image in images:
        image[bright[generator.integers(4)]] = 250
    return images


def tiny(**changes):
    return TrainSettings(**(TINY | changes))


def same(one, other):
    return all(
        np.array_equal(mine.weights, theirs.weights) and np.array_equal(mine.bias, theirs.bias)
        for mine, theirs in zip(one.layers, other.layers, strict=True)
    )


@pytest.mark.parametrize(
    "change",
    [
        {"latent_dim": 0},
        {"hidden": ()},
        {"hidden": (0,)},
        {"epochs": 0},
        {"batch_size": -1},
        {"learning_rate": float("nan")},
        {"learning_rate": 0.0},
        {"output_gain": 0.0},
        {"seed": -1},
        {"threads": 0},
        {"epoch": 3},
    ],
)
def test_settings_out_of_range_are_refused(change):
    with pytest.raises(ValidationError):
        TrainSettings(**change)


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((4, 784), np.uint8),
        np.zeros((4, 6, 7)),
        np.zeros((0, 6, 7), np.uint8),
        [[[0]]],
    ],
)
def test_other_images_are_refused(images):
    with pytest.raises(DataError, match="images must be an array of unsigned bytes"):
        train_vae(images, tiny())


def test_test_images_of_another_size_are_refused():
    with pytest.raises(DataError, match=r"test images are \(5, 5\) pixels, the training images \(6, 7\)"):
        train_vae(halves(), tiny(), test_images=np.zeros((3, 5, 5), np.uint8))


def test_missing_torch_is_one_clear_sentence(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(SettingsError, match=r"pip install 'ftj-spice\[train\]'"):
        train_vae(halves(), tiny())


@pytest.fixture(scope="module")
def trained():
    pytest.importorskip("torch")
    seen = []
    result = train_vae(halves(), tiny(), lambda *step: seen.append(step), test_images=halves(40, 1))
    return *result, seen


def test_training_learns(trained):
    decoder, history, _ = trained
    assert history.vae[-1] < 0.8 * history.vae[0]
    assert decoder.record["figures"]["test_negative_elbo"] < 0.8 * history.vae[0]
    assert decoder.record["figures"]["test_reconstruction_mse"] < 0.9 * np.var(halves(40, 1) / 255)


def test_the_decoder_has_the_asked_shape(trained):
    decoder, _, _ = trained
    assert [layer.weights.shape for layer in decoder.layers] == [(3, 16), (16, 24), (24, 42)]
    assert decoder.image_shape == (6, 7)
    assert decoder.output_gain == TrainSettings().output_gain


def test_progress_counts_the_epochs_of_all_stages(trained):
    _, history, seen = trained
    losses = (*history.vae, *history.flow, *history.distillation)
    assert (len(history.vae), len(history.flow), len(history.distillation)) == (60, 20, 20)
    assert seen == [(number, 100, loss) for number, loss in enumerate(losses, 1)]


def test_the_record_says_how_and_fits_the_file(trained, tmp_path):
    decoder, _, _ = trained
    assert TrainSettings(**decoder.record["settings"]) == tiny()
    assert decoder.record["data"]["train"]["shape"] == [128, 6, 7]
    assert len(decoder.record["data"]["test"]["sha256"]) == 64
    assert decoder.record["versions"]["numpy"] == np.__version__
    decoder.save(tmp_path / "d.npz")
    loaded = Decoder.load(tmp_path / "d.npz")
    assert same(loaded, decoder), "the file holds exactly what was returned"
    assert loaded.record == decoder.record


def test_same_seed_same_bits(trained):
    again, history = train_vae(halves(), tiny(), test_images=halves(40, 1))
    assert same(again, trained[0])
    assert history.vae == trained[1].vae
    assert again.record["figures"] == trained[0].record["figures"]
    other, _ = train_vae(halves(), tiny(seed=2))
    assert not same(other, trained[0])


def test_two_threads_repeat_too():
    pytest.importorskip("torch")
    one, other = (
        train_vae(halves(), tiny(threads=2, epochs=1, flow_epochs=1, distillation_epochs=1))[0] for _ in range(2)
    )
    assert same(one, other)


def test_global_state_is_left_alone():
    torch = pytest.importorskip("torch")

    def state():
        return torch.get_rng_state().tolist(), torch.get_num_threads(), torch.get_deterministic_debug_mode()

    before = state()
    train_vae(halves(), tiny(epochs=1, distillation_epochs=0, threads=before[1] + 1))
    assert state() == before


def test_without_distillation_the_vae_decoder_is_kept():
    pytest.importorskip("torch")
    decoder, history = train_vae(halves(), tiny(distillation_epochs=0))
    assert history.flow == history.distillation == ()
    assert decoder.record["figures"]["train_reconstruction_mse"] < 0.9 * np.var(halves() / 255)


def test_fewer_images_than_a_batch_are_enough():
    pytest.importorskip("torch")
    decoder, _ = train_vae(halves(5), tiny(epochs=1, flow_epochs=1, distillation_epochs=1))
    assert decoder(np.zeros((1, 3))).shape == (1, 6, 7)


def test_divergence_is_an_error(monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.nn.functional, "binary_cross_entropy_with_logits", lambda x, *_, **__: x.sum() * np.inf)
    with pytest.raises(SettingsError, match="training diverged in epoch 1"):
        train_vae(halves(), tiny())
