"""What a read-out does to the image: the same array, noise and decoder behind every packaged macromodel of a card.

    python benchmarks/periphery_images.py [--card NAME] [--process NAME] [--samples 64] [--variants NAME ...]
                                          [--breakdown NAME ...] [--no-breakdown] [--out DIR]

Draws the images of every chain in a process that was measured with cells of the card, ranks them by the pixel error
against the ideal decoder, and shows the three best and the worst beside the behavioural read-out: grids, latents
against the normal law, effective bits, energy. That twice: as the circuits come, and with each column's gain and offset
calibrated by a straight line (`read.calibration = "linear"`). Then the worst one's errors are switched off and on one
at a time; `--breakdown` does only that, for the circuits it names. Comparators only take the sample phase: their
latents and lost bits are listed. Writes `periphery_images_CARD_PROCESS.json`, and a PNG for each panel.
"""

import argparse
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray
from scipy.stats import kstest

from ftj_spice.periphery.macromodel import Macromodel, available_macromodels, load_macromodel
from ftj_spice.results.plots.style import style
from ftj_spice.results.units import engineering as eng
from ftj_spice.studies.generate import generate
from ftj_spice.studies.settings import RunSettings

SIDE = 8
BEHAVIOURAL = "behavioural"
CALIBRATIONS = {"none": "as the circuits come", "linear": "gain and offset of every column calibrated"}
CAUSES: dict[str, dict[str, dict[str, Any]]] = {
    "offset of the front end": {"sense": {"offset": 0.0, "offset_sigma": 0.0}},
    "offset of the converter": {"convert": {"offset_sigma": 0.0}},
    "gain": {"sense": {"gain_sigma": 0.0}, "convert": {"gain_sigma": 0.0}},
    "bit line's voltage": {"sense": {"ground": 0.0, "ground_sigma": 0.0}},
    "noise of the front end": {"sense": {"noise": 0.0}},
    "noise of the converter": {"convert": {"noise": 0.0}},
    "curve and INL": {"sense": {"deviation": ()}, "convert": {"inl": ()}},
}
"""What takes each error out of a macromodel."""
STEPS = "steps"
"""The range's steps: they are made finer, with the offset and the noise of the converter as they were."""
FINE = 12
"""Bits of a converter whose steps do not count."""


@dataclass(frozen=True)
class Setup:
    """What all variants of a comparison share."""

    card: str
    samples: int
    seed: int

    def run(self, periphery: str | None, calibration: str, **more: Any) -> Any:
        """Returns the result of `generate` with a circuit, or with the behavioural read-out."""
        changes = {"card": self.card, "samples": self.samples, "seed": self.seed, "audit": 0, "periphery": periphery}
        changes |= {"engine": {"sample": "fast", "read": "fast"}, "read": {"calibration": calibration}}
        return generate(RunSettings.parse(changes | more, "benchmark"))

    def judge(self, name: str | None, calibration: str) -> dict[str, Any]:
        """Returns the images and figures of one variant; none is the behavioural read-out."""
        result = self.run(name, calibration)
        layers, energy = result.metrics["layers"], result.metrics.get("energy")
        return {
            "name": name or BEHAVIOURAL,
            "title": load_macromodel(name).title if name else "ideal integrators, 6-bit converters on pairs",
            "calibration": calibration,
            "images": result.images,
            **of_latents(result),
            # of the span that the outputs take: see `array.layer_result.effective_bits`
            "vmm_error": [float(2.0 ** -layer["effective_bits"] / np.sqrt(12.0)) for layer in layers],
            "effective_bits": [layer["effective_bits"] for layer in layers],
            "pixel_mse": result.metrics["images"]["mean_squared_error_to_ideal_decoder"],
            "energy_per_image": energy["per_image"] if energy else None,
            "energy_per_read": energy["per_read"] if energy else None,
            "tops_per_watt": energy["tops_per_watt"] if energy else None,
            "read_time_per_image": energy["seconds"]["read"] / self.samples if energy else None,
            "sample_time_per_image": energy["seconds"]["sample"] / self.samples if energy else None,
        }

    def decides(self, name: str) -> dict[str, Any]:
        """Returns the figures of a comparator, which takes the sample phase only."""
        result = self.run(name, "none", sample={"digitiser": "comparator"})
        pixel = result.metrics["images"]["mean_squared_error_to_ideal_decoder"]
        return {"name": name, "title": load_macromodel(name).title, **of_latents(result), "pixel_mse": pixel}


def of_latents(result: Any) -> dict[str, Any]:
    """Returns a run's latents and what is said of them."""
    latents, periphery = result.latents.ravel(), result.metrics.get("periphery")
    return {
        "latents": latents,
        "mean": float(latents.mean()),
        "sd": float(latents.std()),
        "ks": float(kstest(latents, "norm").statistic),
        "bits_kept": periphery["bits_per_sample"] if periphery else None,
        "bits_lost": periphery["bits_lost_per_sample"] if periphery else None,
    }


def without(model: Macromodel, causes: list[str]) -> Macromodel:
    """Returns a macromodel without some of its errors."""
    data = model.model_dump()
    if STEPS in causes and data["convert"]:
        finer = (2**FINE - 1) / (2 ** data["convert"]["bits"] - 1)
        kept = {key: finer * data["convert"][key] for key in ("offset_sigma", "noise")}
        data["convert"] |= {"bits": FINE, "inl": ()} | kept
    for cause in causes:
        for part, values in CAUSES.get(cause, {}).items():
            if data[part]:
                data[part] |= values
    return Macromodel.parse(data, model.name)


def breakdown(setup: Setup, name: str, calibration: str) -> list[dict[str, Any]]:
    """Returns a variant's figures with each error alone switched off, and with it alone switched on."""
    model, causes, found = load_macromodel(name), [*CAUSES, STEPS], []
    cases = [("all errors", [])] + [(f"without {cause}", [cause]) for cause in causes]
    cases += [(f"{cause} alone", [one for one in causes if one != cause]) for cause in causes] + [("no error", causes)]
    with tempfile.TemporaryDirectory() as folder:
        for title, off in cases:
            path = Path(folder) / "changed.json"
            path.write_text(without(model, off).text())
            one = setup.judge(str(path), calibration)
            found.append({"case": title} | {key: one[key] for key in ("pixel_mse", "effective_bits", "ks", "sd")})
    return found


def grid(images: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns images side by side, `SIDE` in a row."""
    shown = images[: SIDE * SIDE].reshape(-1, *images.shape[-2:])
    rows = -(-len(shown) // SIDE)
    padded = np.zeros((rows * SIDE, *shown.shape[1:]))
    padded[: len(shown)] = shown
    return np.block([[padded[r * SIDE + c] for c in range(SIDE)] for r in range(rows)])


def draw(shown: list[dict[str, Any]], title: str, path: Path) -> None:
    """Draws the grids with their figures, and the latents below."""
    with style():
        figure, axes = plt.subplots(
            2, len(shown), figsize=(3.1 * len(shown), 6.2), height_ratios=[3.1, 1.6], layout="constrained"
        )
        figure.suptitle(title, fontsize=10)
        z = np.linspace(-4.2, 4.2, 200)
        for (top, bottom), one in zip(axes.T, shown, strict=True):
            top.imshow(grid(one["images"]), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            top.set_axis_off()
            energy = "" if one["energy_per_image"] is None else f", {eng(one['energy_per_image'], 'J')} per image"
            bits = " / ".join(f"{b:.1f}" for b in one["effective_bits"])
            top.set_title(
                f"{one['name']}\npixel MSE {one['pixel_mse']:.3f}{energy}\nlayers: {bits} effective bits", fontsize=8
            )
            bottom.hist(one["latents"], bins=np.linspace(-4, 4, 33), density=True, color="C0", alpha=0.7)
            bottom.plot(z, np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi), color="k", lw=0.9)
            lost = "" if one["bits_lost"] is None else f", {one['bits_kept']:.1f} bits, {one['bits_lost']:.1f} lost"
            bottom.set_title(f"mean {one['mean']:+.2f}, sd {one['sd']:.2f}\nKS {one['ks']:.3f}{lost}", fontsize=8)
            bottom.set_xlabel("latent (standard deviations)")
        axes[1, 0].set_ylabel("density")
        figure.savefig(path, dpi=150)
        plt.close(figure)


def table(found: list[dict[str, Any]]) -> None:
    """Prints the figures as a Markdown table."""
    print("| read-out | latents: KS | sd | bits kept / lost | products: rms error of the layers, % of full scale | "
          "effective bits | pixel MSE | energy an image | reads' time an image |")  # fmt: skip
    print("|---" * 9 + "|")
    for one in found:
        lost = "" if one["bits_lost"] is None else f"{one['bits_kept']:.2f} / {one['bits_lost']:.2f}"
        errors = " / ".join(f"{100 * e:.2g}" for e in one["vmm_error"])
        bits = " / ".join(f"{b:.1f}" for b in one["effective_bits"])
        own = ["", ""]
        if one["energy_per_image"] is not None:
            own = [eng(one["energy_per_image"], "J"), eng(one["read_time_per_image"], "s")]
        print(f"| {one['name']} | {one['ks']:.3f} | {one['sd']:.2f} | {lost} | {errors} | {bits} | "
              f"{one['pixel_mse']:.4f} | {own[0]} | {own[1]} |", flush=True)  # fmt: skip


def comparator_table(found: list[dict[str, Any]]) -> None:
    """Prints the comparators' figures as a Markdown table."""
    print("\nComparators in the sample phase:\n\n| comparator | KS | sd | bits kept | bits lost |")
    print("|---" * 5 + "|")
    for one in sorted(found, key=lambda one: one["bits_lost"]):
        bits = f"{one['bits_kept']:.3f} | {one['bits_lost']:.2g}"
        print(f"| {one['name']} | {one['ks']:.3f} | {one['sd']:.2f} | {bits} |", flush=True)


def cause_table(found: list[dict[str, Any]]) -> None:
    """Prints what each error makes as a Markdown table."""
    print("| | pixel MSE | effective bits | KS | sd |")
    print("|---" * 5 + "|")
    for one in found:
        bits = " / ".join(f"{b:.1f}" for b in one["effective_bits"])
        print(f"| {one['case']} | {one['pixel_mse']:.4f} | {bits} | {one['ks']:.3f} | {one['sd']:.2f} |")


def fitting(card: str, process: str) -> tuple[list[str], list[str]]:
    """Returns a process's packaged chains that were measured with a card's cells, and its comparators."""
    packaged = [name for name in available_macromodels() if name.startswith(f"{process}/")]
    models = {name: load_macromodel(name) for name in packaged}
    own = [name for name, model in models.items() if model.card == card]
    chains = [name for name in own if models[name].kind == "chain"]
    decide = [name for name in models if models[name].kind == "decide"]
    # Comparators of voltages were measured without cells.
    current = [name for name in decide if getattr(models[name].decide, "input", "voltage") == "current"]
    return chains, [name for name in decide if name not in current or name in own]


def main() -> None:
    """Runs all variants."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--card", default="hzo_mfis_nominal")
    parser.add_argument("--process", default="generic")
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--variants", nargs="*", help="Macromodels; without it all that were measured with the card.")
    parser.add_argument("--breakdown", nargs="+", default=[], help="Macromodels whose errors to take apart; no more.")
    parser.add_argument("--no-breakdown", action="store_true", help="Leave the worst one's errors together.")
    parser.add_argument("--out", type=Path, default=Path())
    arguments = parser.parse_args()
    setup = Setup(arguments.card, arguments.samples, arguments.seed)
    for name in arguments.breakdown:
        print(f"\nErrors of {name}, {CALIBRATIONS['none']}:\n")
        cause_table(breakdown(setup, name, "none"))
    if arguments.breakdown:
        return
    chains, comparators = fitting(arguments.card, arguments.process)
    if arguments.variants is not None:
        chains, comparators = arguments.variants, []
    arguments.out.mkdir(parents=True, exist_ok=True)
    stem, kept, worst = f"periphery_images_{arguments.card}_{arguments.process}", {}, {}
    for calibration, title in CALIBRATIONS.items():
        plain = setup.judge(None, calibration)
        ranked = sorted((setup.judge(name, calibration) for name in chains), key=lambda one: one["pixel_mse"])
        print(f"\n{arguments.card}, {title}:\n")
        table([plain, *ranked])
        shown = ranked if len(ranked) < 5 else [*ranked[:3], ranked[-1]]
        path = arguments.out / f"{stem}_{calibration}.png"
        draw([plain, *shown], f"{arguments.card}, {setup.samples} images, {title}", path)
        kept[calibration] = [{k: v for k, v in one.items() if k not in ("images", "latents")}
                             for one in [plain, *ranked]]  # fmt: skip
        worst[calibration] = ranked[-1]["name"]
    decided = [setup.decides(name) for name in comparators]
    if decided:
        comparator_table(decided)
    causes = {}
    for calibration, title in [] if arguments.no_breakdown else CALIBRATIONS.items():
        print(f"\nErrors of {worst[calibration]}, {title}:\n")
        causes[calibration] = breakdown(setup, worst[calibration], calibration)
        cause_table(causes[calibration])
    plainly = [{k: v for k, v in one.items() if k != "latents"} for one in decided]
    data = {"variants": kept, "comparators": plainly, "breakdown": {"of": worst, "cases": causes}}
    (arguments.out / f"{stem}.json").write_text(json.dumps(data, indent=1) + "\n")


if __name__ == "__main__":
    main()
