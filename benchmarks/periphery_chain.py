"""A column read through transistors, code by code, against exact dot products and against its macromodel.

    python benchmarks/periphery_chain.py [--process NAME ...] [--draw K] [--inputs N] [--plot FILE] [--json]

A 64-row column of random conductance levels is read by a chain (by default the charge integrator with double sampling
and the 6-bit SAR) for random binary inputs, all transistors in ngspice, read after read. Each level is the larger one
of two random ones and the share of rows that are on is itself random, so that codes spread over the range.

Four things are compared with the transistors' codes: the exact dot product in the design's steps (no calibration), the
same after a calibration of gain and offset, a macromodel of this very column, and the packaged macromodel of nominal
devices where there is one. Calibration and the column's own macromodel come from other reads: another column of
which 0 to all rows are on. `--draw K` takes Monte Carlo draw K of the devices' mismatch. A read takes some
1.5 s of one core.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ftj_spice.common.seeds import generator
from ftj_spice.device.card import Card, load_card
from ftj_spice.engines.ngspice import NgspiceEngine
from ftj_spice.netlist.circuit import Cells
from ftj_spice.netlist.process.process import load_process
from ftj_spice.periphery.chain import Chain, load_chain
from ftj_spice.periphery.macromodel import ConvertModel, Macromodel, SenseModel, available_macromodels, load_macromodel
from ftj_spice.periphery.readout import ColumnReads, read_columns
from ftj_spice.periphery.rig import Condition
from ftj_spice.results.plots.style import CLOSED_FORM, NOTE, SIMULATED, WIDTH, save_figure, styled

FloatArray = NDArray[np.float64]


def test_inputs(card: Card, rows: int, inputs: int, seed: int) -> tuple[FloatArray, FloatArray]:
    """Returns conductances, shape `(rows, 1)`, and row voltages, shape `(inputs, rows)`."""
    rng = generator(seed, "benchmark-chain")
    levels = rng.integers(0, card.levels, (2, rows)).max(axis=0)
    g = card.off_conductance + (card.on_conductance - card.off_conductance) * levels / (card.levels - 1)
    on = rng.random((inputs, rows)) < rng.random((inputs, 1))
    return g[:, np.newaxis], card.vmm_voltage * on


def known_inputs(card: Card, rows: int, reads: int) -> tuple[FloatArray, FloatArray]:
    """Returns a column and inputs that turn on 0 to all of its cells.

    The cells differ, so that currents lie anywhere between two codes: the rounding errors of equal cells would not
    average out.
    """
    count = np.rint(np.linspace(0, rows, reads))
    on = np.arange(rows) < count[:, np.newaxis]
    return card.on_conductance * np.linspace(0.5, 1.0, rows)[:, np.newaxis], card.vmm_voltage * on


def own_model(chain: Chain, condition: Condition, currents: FloatArray, reads: ColumnReads) -> Macromodel:
    """Returns the macromodel of one column's circuits from reads of known currents.

    The sense block is a straight line and its deviation from it, the converter an even staircase: the line through its
    input over the codes, whose rounding errors average out.
    """
    outputs, codes = reads.outputs[:, 0], reads.codes[:, 0]
    inside = (codes > 0) & (codes < chain.top)
    slope, zero = np.polyfit(currents[inside], outputs[inside], 1)
    if chain.ideal is not None:
        step, bottom = (chain.ideal.high - chain.ideal.low) / chain.top, chain.ideal.low
    else:
        step, bottom = np.polyfit(codes[inside], outputs[inside], 1)
    low, high = (bottom - zero) / slope, (bottom + step * chain.top - zero) / slope
    order = np.argsort(currents[inside])
    known = currents[inside][order]
    residual = (outputs[inside][order] - zero - slope * known) / (slope * (high - low))
    deviation = np.interp(np.linspace(low, high, 17), known, residual)
    return Macromodel(
        name=chain.name, title=chain.title, kind="chain", process=condition.process.name, corner=condition.corner,
        temperature=condition.temperature, card=chain.card, convert=ConvertModel(bits=chain.bits),
        sense=SenseModel(integrates=True, time=chain.period, gain=float(slope), low=float(low), high=float(high),
                         deviation=tuple(deviation.tolist())),
    )  # fmt: skip


def packaged_codes(chain: Chain, process: str, card: Card, g: FloatArray, v: FloatArray) -> NDArray[np.int64] | None:
    """Returns the codes of the packaged macromodel, or none where there is none."""
    if f"{process}/{chain.name}" not in available_macromodels():
        return None
    model = load_macromodel(f"{process}/{chain.name}")
    ground = model.sense.ground if model.sense else 0.0
    return model.codes(Cells.of(card, g).current(v[..., np.newaxis] - ground).sum(axis=1)[:, 0])


def compared(codes: NDArray[np.int64], other: NDArray[np.int64], exact: FloatArray | None = None) -> dict[str, float]:
    """Returns how codes agree with others, and how far they are from real numbers where these are given."""
    difference = codes - other
    found = {
        "equal": float(np.mean(difference == 0)),
        "within_one": float(np.mean(np.abs(difference) <= 1)),
        "largest": float(np.abs(difference).max()),
        "rms": float(np.sqrt(np.mean(difference**2.0))),
    }
    if exact is not None:
        error = codes - exact
        found |= {
            "error_mean": float(error.mean()),
            "error_rms": float(np.sqrt(np.mean(error**2))),
            "error_largest": float(np.abs(error).max()),
        }
    return found


def blocks(reads: ColumnReads) -> dict[str, float]:
    """Returns the mean energy of a read in J, by block."""
    found: dict[str, float] = {}
    for name, values in reads.energies.items():
        block = name.partition("_")[0]
        found[block] = found.get(block, 0.0) + float(values.mean())
    return found


def run(options: argparse.Namespace, process: str) -> tuple[dict[str, Any], dict[str, FloatArray]]:
    """Returns what was found in a process, and what to plot."""
    chain = load_chain(options.chain)
    card = load_card(chain.card)
    mismatch = None if options.draw is None else (options.seed, options.draw)
    condition = Condition(load_process(process), options.corner, mismatch=mismatch)
    with NgspiceEngine(options.jobs) as engine:
        g, v = known_inputs(card, options.rows, options.known)
        begin = time.perf_counter()
        known = read_columns(chain, condition, card, g, v, engine, chunk=options.chunk)
        fitted = time.perf_counter() - begin
        model = own_model(chain, condition, (v @ g)[:, 0], known)
        g, v = test_inputs(card, options.rows, options.inputs, options.seed)
        begin = time.perf_counter()
        reads = read_columns(chain, condition, card, g, v, engine, chunk=options.chunk)
        took = time.perf_counter() - begin
    exact = (v @ g)[:, 0]
    codes = reads.codes[:, 0]
    begin = time.perf_counter()
    modelled = model.codes(exact)
    model_took = time.perf_counter() - begin
    packaged = packaged_codes(chain, process, card, g, v)
    sense = model.sense
    assert sense is not None
    steps = exact / chain.lsb
    calibrated = (exact - sense.low) / sense.span * chain.top
    inside = (codes > 0) & (codes < chain.top)
    found = {
        "chain": chain.name,
        "process": process,
        "corner": options.corner,
        "draw": options.draw,
        "rows": options.rows,
        "inputs": options.inputs,
        "codes": [int(codes.min()), int(codes.max())],
        "lsb": chain.lsb,
        "against_exact": compared(codes, chain.ideal_code(exact), steps),
        "against_calibrated": compared(
            codes, np.clip(np.rint(calibrated), 0, chain.top).astype(np.int64), calibrated
        ),
        "against_macromodel": compared(codes, modelled),
        "against_packaged": None if packaged is None else compared(codes, packaged),
        "analog_rms_lsb": float(
            np.std((reads.outputs[inside, 0] - np.polyval(np.polyfit(exact[inside], reads.outputs[inside, 0], 1),
                                                          exact[inside])) / (sense.gain * chain.lsb))
        ),
        "ground_error": [float(reads.ground.min()), float(reads.ground.max())],
        "energy": blocks(reads),
        "area": reads.areas,
        "time_of_a_read": chain.period,
        "seconds": took,
        "seconds_per_read": took / options.inputs,
        "seconds_of_the_fit": fitted,
        "macromodel_seconds": model_took,
    }  # fmt: skip
    return found, {"exact": steps, "codes": codes, "modelled": modelled}


@styled
def figure(data: dict[str, FloatArray], found: dict[str, Any]) -> Figure:
    """Codes over exact dot products, and what is left of them."""
    plot = Figure(figsize=(WIDTH, 5.2), layout="constrained")
    above, below = plot.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    exact, codes, modelled = data["exact"], data["codes"], data["modelled"]
    end = max(float(exact.max()), float(codes.max())) + 1
    above.plot([0, end], [0, end], color=NOTE, linewidth=0.8, label="exact")
    above.plot(exact, codes, ".", color=SIMULATED, markersize=5, label="transistors")
    above.plot(exact, modelled, "o", color=CLOSED_FORM, markersize=6, markerfacecolor="none", markeredgewidth=0.7,
               label="macromodel")  # fmt: skip
    above.set_ylabel("Code")
    draw = "nominal devices" if found["draw"] is None else f"mismatch draw {found['draw']}"
    above.set_title(f"{found['chain']}, {found['process']} {found['corner']}, {draw}: {found['inputs']} random inputs")
    above.legend(loc="upper left")
    below.axhspan(-0.5, 0.5, color="#eeeeee", zorder=0, label="rounding")
    below.plot(exact, codes - exact, ".", color=SIMULATED, markersize=5)
    below.plot(exact, modelled - exact, "o", color=CLOSED_FORM, markersize=6, markerfacecolor="none",
               markeredgewidth=0.7)  # fmt: skip
    below.set_ylabel("Code - exact (LSB)")
    below.set_xlabel(f"Exact dot product (LSB of {1e12 * found['lsb']:.4g} pA)")
    reach = max(1.0, 1.1 * float(np.abs(codes - exact).max()))
    below.set_ylim(-reach, reach)
    below.legend(loc="lower right")
    return plot


def show(found: dict[str, Any]) -> None:
    """Prints what was found in a process."""
    print(f"{found['chain']}, {found['process']} {found['corner']}, draw {found['draw']}: {found['inputs']} inputs of "
          f"{found['rows']} rows, codes {found['codes'][0]} to {found['codes'][1]}, "
          f"LSB {1e12 * found['lsb']:.4g} pA")  # fmt: skip
    for name, title in (("against_exact", "exact, design's steps"), ("against_calibrated", "exact, calibrated"),
                        ("against_macromodel", "macromodel"), ("against_packaged", "packaged macromodel")):  # fmt: skip
        entry = found[name]
        if entry is None:
            print(f"  {title:<22s} there is none")
            continue
        print(f"  {title:<22s} equal {100 * entry['equal']:.1f} %, within one {100 * entry['within_one']:.1f} %, "
              f"largest {entry['largest']:.0f}, rms {entry['rms']:.3f} LSB", end="")  # fmt: skip
        if "error_rms" in entry:
            print(f"; before rounding rms {entry['error_rms']:.3f} (ideal 0.289), largest "
                  f"{entry['error_largest']:.2f}, mean {entry['error_mean']:+.3f} LSB", end="")  # fmt: skip
        print()
    print(f"  analog output off its own straight line by {found['analog_rms_lsb']:.4f} LSB rms; virtual ground "
          f"{1e3 * found['ground_error'][0]:.2f} to {1e3 * found['ground_error'][1]:.2f} mV")  # fmt: skip
    print("  energy of a read: " + ", ".join(f"{name} {1e12 * value:.3g} pJ" for name, value in found["energy"].items())
          + f"; {1e6 * found['time_of_a_read']:.3g} us")  # fmt: skip
    print(f"  {found['seconds']:.1f} s for {found['inputs']} reads ({found['seconds_per_read']:.2f} s each), "
          f"{found['seconds_of_the_fit']:.1f} s for the fit; "
          f"macromodel {1e6 * found['macromodel_seconds']:.0f} us")  # fmt: skip


def main() -> None:
    """Runs it and prints what it found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chain", default="integrator_sar")
    parser.add_argument("--process", nargs="*", default=["generic", "sky130"])
    parser.add_argument("--corner", default="tt")
    parser.add_argument("--draw", type=int, help="Monte Carlo draw; nominal devices without it.")
    parser.add_argument("--inputs", type=int, default=200)
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--known", type=int, default=33, help="Reads that calibrate and make the macromodel.")
    parser.add_argument("--chunk", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plot", type=Path, help="PNG; the process's name is added to its own.")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    all_found = []
    for process in options.process:
        found, data = run(options, process)
        all_found.append(found)
        if options.plot:
            save_figure(options.plot.with_stem(f"{options.plot.stem}_{process}"), figure(data, found))
        if not options.json:
            show(found)
    if options.json:
        print(json.dumps(all_found, indent=2))


if __name__ == "__main__":
    main()
