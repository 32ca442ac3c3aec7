"""Small arrays to write."""

import numpy as np

from ftj_spice.array.writing.devices import draw_devices
from ftj_spice.array.writing.sequence import program
from ftj_spice.array.writing.settings import ProgramSettings
from ftj_spice.array.writing.targets import read_targets
from ftj_spice.array.writing.vector import VectorChip
from ftj_spice.common.seeds import generator
from ftj_spice.device.card import load_card

COARSE = {
    "groups": 6, "levels": 6, "passes": 1, "set": {"start": 2.2, "step": 0.2, "limit": 4.0},
    "reset": {"start": 1.4, "step": 0.1, "limit": 4.0},
}  # fmt: skip


def problem(shape=(8, 12), seed=0, card="hzo_mfis_nominal", devices_stuck=None, **changes):
    """Returns card, settings, targets, devices."""
    settings = ProgramSettings.parse(changes, "test")
    chosen = load_card(card)
    levels = generator(seed, "test-levels").integers(0, settings.levels, shape)
    targets = read_targets(levels, chosen, settings)
    return chosen, settings, targets, draw_devices(chosen, shape, settings, seed, devices_stuck)


def write(shape=(8, 12), seed=0, **changes):
    """Programs an array, vectorised."""
    card, settings, targets, devices = problem(shape, seed, **changes)
    chip = VectorChip(card, devices, settings, seed)
    return program(chip, targets, settings, seed), devices, targets, np.asarray(devices.stuck)
