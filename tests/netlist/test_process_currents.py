"""Transistors of both processes in ngspice: sizes, corners, temperature, mismatch."""

import numpy as np
import pytest
from process_support import currents, processes

from ftj_spice.common.seeds import generator
from ftj_spice.engines.ngspice import NgspiceEngine
from ftj_spice.netlist.process.process import load_process

SIZES = {"nmos": (5.3, 1.3), "pmos": (5.3, 1.3), "nmos_hv": (5.3, 1.3), "pmos_hv": (5.3, 1.3)}


@pytest.fixture(scope="module")
def simulator():
    with NgspiceEngine(time_limit=60.0) as engine:
        yield engine


@pytest.fixture(params=["generic", "sky130"], scope="module")
def process(request):
    if request.param not in processes():
        pytest.skip(f"the models of {request.param} are not installed")
    return load_process(request.param)


def full(process, role):
    return process.supplies[process.devices[role].supply]


def test_currents_rise_with_gate_drain_and_width_at_random_sizes(simulator, process):
    rng = generator(6, "process-sizes")
    devices = []
    for role, device in process.devices.items():
        low = np.array([device.min_width, device.min_length])
        for size in 1e6 * low * np.exp(rng.random((4, 2)) * np.log([8e-6, 8e-6] / low)):
            w, length = np.round(size, 2) + 0.01
            top = full(process, role)
            for gate in (0.5, 0.75, 1.0):
                devices.append({"role": role, "w": w, "l": length, "gate": gate * top, "drain": 0.5 * top})
            devices.append({"role": role, "w": w, "l": length, "gate": top, "drain": top})
            devices.append({"role": role, "w": 2 * w, "l": length, "gate": top, "drain": top, "nf": 2})
    found = currents(simulator, process, "tt", devices).reshape(-1, 5)
    assert np.all(found > 0)
    assert np.all(np.diff(found[:, :4], axis=1) > 0)
    # Two fingers of the same width: their shared diffusion makes no difference to the channels.
    np.testing.assert_allclose(found[:, 4], 2 * found[:, 3], rtol=1e-6)


def test_slow_typical_fast(simulator, process):
    devices = [
        {"role": role, "w": w, "l": length, "gate": full(process, role), "drain": full(process, role)}
        for role, (w, length) in SIZES.items()
    ]
    ss, tt, ff, sf, fs = (currents(simulator, process, corner, devices) for corner in ("ss", "tt", "ff", "sf", "fs"))
    assert np.all(ss < tt)
    assert np.all(tt < ff)
    nmos = np.array([role.startswith("n") for role in SIZES])
    usual = process.name == "generic"  # SKY130 names these two the other way round
    assert process.corners["sf"].title == ("slow NMOS, fast PMOS" if usual else "fast NMOS, slow PMOS")
    assert np.all((sf < tt) == (nmos if usual else ~nmos))
    assert np.all((fs > tt) == (nmos if usual else ~nmos))


def test_heat_slows_the_channel_and_feeds_the_leakage(simulator, process):
    top = full(process, "nmos")
    devices = [
        {"role": "nmos", "w": 2, "l": 0.5, "gate": top, "drain": top},
        {"role": "nmos", "w": 2, "l": 0.5, "gate": 0.2, "drain": top},
    ]
    cold, hot = (currents(simulator, process, "tt", devices, celsius) for celsius in (-40, 125))
    assert hot[0] < cold[0]
    assert hot[1] > 30 * cold[1]


def test_multiplier_and_its_mismatch_area(simulator, process):
    mismatch = dict.fromkeys(process.devices["nmos"].mismatch, 1.0)
    base = {"role": "nmos", "w": 2, "l": 0.5, "gate": 0.55, "drain": 1.0}
    one, four, skewed, skewed_four = currents(
        simulator, process, "tt",
        [base, base | {"m": 4, "mult": 4}, base | {"z": mismatch}, base | {"m": 4, "mult": 4, "z": mismatch}],
    )  # fmt: skip
    assert four == pytest.approx(4 * one, rel=1e-6)
    # Four devices side by side have half the spread of one.
    assert np.log(skewed_four / four) == pytest.approx(0.5 * np.log(skewed / one), rel=0.06)


@pytest.mark.parametrize("role", ["nmos", "pmos"])
def test_threshold_shift_follows_the_area(simulator, process, role):
    name, slope = ("vth", 2.9e-3) if process.name == "generic" else ("vth0", {"nmos": 3.356e-3, "pmos": 5.856e-3}[role])
    gate = 0.35 if process.name == "generic" else 0.5  # weak inversion: there nothing else depends on the threshold
    sizes = [(5.3, 1.3), (10.3, 2.3), (2.3, 3.3)]
    grid = np.linspace(-0.02, 0.02, 41)
    devices = []
    for w, length in sizes:
        base = {"role": role, "w": w, "l": length, "drain": 0.9}
        devices.append(base | {"gate": gate, "z": {name: 1.0}})
        devices += [base | {"gate": gate + step} for step in grid]
    found = currents(simulator, process, "tt", devices).reshape(len(sizes), -1)
    for (w, length), row in zip(sizes, found, strict=True):
        shift = abs(np.interp(np.log(row[0]), np.log(row[1:]), grid))
        assert shift == pytest.approx(slope / np.sqrt(w * length), rel=0.02), (w, length)


def test_same_numbers_same_current(simulator, process):
    rng = generator(3, "process-mismatch")
    drawn = dict(zip(process.devices["pmos"].mismatch, rng.standard_normal(8), strict=False))
    device = {"role": "pmos", "w": 1, "l": 0.5, "gate": 0.8, "drain": 1.0}
    first = currents(simulator, process, "tt", [device | {"z": drawn}, device])
    second = currents(simulator, process, "tt", [device, device | {"z": drawn}, device | {"w": 2}])
    assert first[0] == second[1] != first[1] == second[0]


def test_generic_is_of_its_class(simulator):
    """On and off currents, slope and gain of 0.18 um CMOS: what textbooks and roadmaps say of it, with room."""
    process = load_process("generic")
    gates = np.arange(0.0, 1.801, 0.05)
    base = {"w": 1, "l": 0.18, "drain": 1.8}
    for role, on in (("nmos", (500e-6, 700e-6)), ("pmos", (180e-6, 320e-6))):
        found = currents(simulator, process, "tt", [base | {"role": role, "gate": gate} for gate in gates])
        assert on[0] < found[-1] < on[1]
        assert 1e-12 < found[0] < 50e-12
        slope = 0.05 / np.diff(np.log10(found))
        assert 0.065 < slope[1] < 0.090
        assert np.all(np.diff(slope) > -1e-3)  # from weak to strong inversion without a kink
        drains = [base | {"role": role, "gate": 0.7, "drain": drain} for drain in (0.89, 0.91)]
        at = currents(simulator, process, "tt", [*drains, base | {"role": role, "gate": 0.72, "drain": 0.9}])
        gain = (at[2] - at[:2].mean()) / 0.02 / (np.diff(at)[0] / 0.02)
        assert 10 < gain < 100
