"""Drain currents of single transistors of a process, in ngspice, and a process made up for tests."""

import numpy as np

from ftj_spice.engines.protocol import OperatingPoint
from ftj_spice.netlist.process.models import ProcessError, Size, model_text, place
from ftj_spice.netlist.process.process import available_processes, load_process


def processes():
    """The packaged processes whose models are here."""
    found = []
    for name in available_processes():
        try:
            place(load_process(name))
        except ProcessError:
            continue
        found.append(name)
    return found


def currents(engine, process, corner, devices, celsius=27.0):
    """Drain currents in A, counted positive, of devices: role, w and l in um, gate and drain in V, and what may follow.

    What may follow: `nf`, `m`, `mult`, and `z`, the mismatch numbers by name.
    """
    sizes = {Size(d["role"], 1e-6 * d["w"] / d.get("nf", 1), 1e-6 * d["l"]) for d in devices}
    lines = ["* transistors", f".temp {celsius}", model_text(process, corner, sizes)]
    for i, d in enumerate(devices):
        sign = -1 if d["role"].startswith("p") else 1
        lines += [f"vd{i} d{i} 0 {sign * d['drain']}", f"vg{i} g{i} 0 {sign * d['gate']}"]
        z = "".join(f" z{name}={value}" for name, value in d.get("z", {}).items())
        more = "".join(f" {key}={d[key]}" for key in ("nf", "m", "mult") if key in d)
        model = process.devices[d["role"]].model
        lines.append(f"x{i} d{i} g{i} 0 0 {model} w={d['w']} l={d['l']}{more}{z}")
    text = "\n".join([*lines, ".options gmin=1e-15 abstol=1e-15 reltol=1e-6", ".end", ""])
    with engine.open(text) as session:
        result = session.run(OperatingPoint(), [f"i(vd{i})" for i in range(len(devices))])
    signs = np.array([1.0 if d["role"].startswith("p") else -1.0 for d in devices])
    return signs * np.array([np.ravel(result[f"i(vd{i})"])[0] for i in range(len(devices))])


MADE_UP = """
name = "madeup"
title = "Made up"
licence = "CC0"
source = "a test"
layout_factor = 2.0
layout_source = "a test"

[supplies]
core = "1.2 V"

[models]
kind = "plain"
places = ["device models"]

[corners]
tt = { files = "typ", title = "typical" }
ss = { files = "slow", title = "slow" }

[devices.nmos]
model = "fab_n"
files = ["{corner}.par", "fab.mod"]
mismatch = ["v"]
min_width = "0.2 um"
min_length = "0.12 um"
diffusion = "0.3 um"

[devices.pmos]
model = "fab_p"
files = ["{corner}.par", "fab.mod"]
mismatch = ["v"]
min_width = "0.2 um"
min_length = "0.12 um"
diffusion = "0.3 um"

[passives]
capacitor_density = "1 fF/um^2"
capacitor_mismatch = "0.01 um"
sheet_resistance = "500 ohm"
resistor_width = "1 um"
resistor_mismatch = "0.02 um"
source = "a test"
"""
MODELS = """* two transistors
.subckt fab_n d g s b w=1 l=1 nf=1 mult=1 ad=0 as=0 pd=0 ps=0 zv=0
vz g gi {zv*4e-3/sqrt(w*l*mult)} ; in series with the gate
m0 d gi s b fab_nm w={w*1u} l={l*1u} ad={ad*1e-12} as={as*1e-12} pd={pd*1u} ps={ps*1u}
.ends fab_n
.subckt fab_p d g s b w=1 l=1 nf=1 mult=1 ad=0 as=0 pd=0 ps=0 zv=0
vz g gi {zv*4e-3/sqrt(w*l*mult)}
m0 d gi s b fab_pm w={w*1u} l={l*1u} ad={ad*1e-12} as={as*1e-12} pd={pd*1u} ps={ps*1u}
.ends fab_p
.model fab_nm nmos (level=1 vto={0.35+fab_dv}
+ kp=2e-4 gamma=0.4 lambda=0.1 tox=3n)
.model fab_pm pmos (level=1 vto={-0.35-fab_dv} kp=8e-5 gamma=0.4 lambda=0.1 tox=3n)
"""


def made_up(folder, models=MODELS, toml=MADE_UP):
    """Writes the made-up process into a folder and returns its TOML file."""
    place = folder / "device models"
    place.mkdir(parents=True)
    (place / "typ.par").write_text(".param fab_dv=0\n")
    (place / "slow.par").write_text(".param fab_dv=0.05\n")
    (place / "fab.mod").write_text(models)
    (folder / "fab.toml").write_text(toml)
    return folder / "fab.toml"
