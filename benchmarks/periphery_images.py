"""What a read-out does to the image: the same array, noise and decoder behind every packaged macromodel.

    python benchmarks/periphery_images.py [--samples 64] [--out DIR] [--variants NAME ...]

Draws the images of every variant, ranks them by the pixel error against the ideal decoder, and shows the three best and
the worst beside the behavioural read-out: grids, latents against the normal law, VMM error, energy. Writes
`periphery_images.png` and `periphery_images.json`.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import kstest

from ftj_spice.periphery.macromodel import available_macromodels, load_macromodel
from ftj_spice.results.plots.style import style
from ftj_spice.results.units import engineering as eng
from ftj_spice.studies.generate import generate
from ftj_spice.studies.settings import RunSettings

SIDE = 8


def judge(name: str | None, samples: int, seed: int, calibration: str) -> dict[str, Any]:
    """Returns the images and figures of one variant; none is the behavioural read-out."""
    changes = {"samples": samples, "seed": seed, "audit": 0, "periphery": name}
    changes |= {"engine": {"sample": "fast", "read": "fast"}, "read": {"calibration": calibration}}
    settings = RunSettings.parse(changes, "benchmark")
    result = generate(settings)
    m, latents = result.metrics, result.latents.ravel()
    energy, periphery = m.get("energy"), m.get("periphery")
    return {
        "name": name or "behavioural",
        "title": load_macromodel(name).title if name else "ideal integrators, 6-bit converters on pairs",
        "images": result.images,
        "latents": latents,
        "mean": float(latents.mean()),
        "sd": float(latents.std()),
        "ks": float(kstest(latents, "norm").statistic),
        "bits_lost": periphery["bits_lost_per_sample"] if periphery else None,
        "vmm_error": [layer["rms_error"] for layer in m["layers"]],
        "effective_bits": [layer["effective_bits"] for layer in m["layers"]],
        "pixel_mse": m["images"]["mean_squared_error_to_ideal_decoder"],
        "energy_per_image": energy["per_image"] if energy else None,
        "tops_per_watt": energy["tops_per_watt"] if energy else None,
        "read_time_per_image": energy["seconds"]["read"] / samples if energy else None,
        "fit_error": periphery["fit_error"] if periphery else None,
    }


def grid(images: np.ndarray) -> np.ndarray:
    """Returns images side by side, `SIDE` in a row."""
    shown = images[: SIDE * SIDE].reshape(-1, *images.shape[-2:])
    rows = -(-len(shown) // SIDE)
    padded = np.zeros((rows * SIDE, *shown.shape[1:]))
    padded[: len(shown)] = shown
    return np.block([[padded[r * SIDE + c] for c in range(SIDE)] for r in range(rows)])


def draw(shown: list[dict[str, Any]], path: Path) -> None:
    """Draws the grids with their figures, and the latents below."""
    with style():
        figure, axes = plt.subplots(
            2, len(shown), figsize=(3.1 * len(shown), 5.9), height_ratios=[3.1, 1.6], layout="constrained"
        )
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
            lost = "" if one["bits_lost"] is None else f", {one['bits_lost']:.2g} bit lost"
            bottom.set_title(f"mean {one['mean']:+.2f}, sd {one['sd']:.2f}\nKS {one['ks']:.3f}{lost}", fontsize=8)
            bottom.set_xlabel("latent (standard deviations)")
        axes[1, 0].set_ylabel("density")
        figure.savefig(path, dpi=150)
        plt.close(figure)


def main() -> None:
    """Runs all variants."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--calibration", choices=["none", "linear"], default="none")
    parser.add_argument("--variants", nargs="*", default=available_macromodels())
    parser.add_argument("--out", type=Path, default=Path())
    arguments = parser.parse_args()
    chosen = (arguments.samples, arguments.seed, arguments.calibration)
    plain = judge(None, *chosen)
    found = [judge(name, *chosen) for name in arguments.variants]
    ranked = sorted(found, key=lambda one: one["pixel_mse"])
    header = f"{'variant':28} {'KS':>6} {'sd':>5} {'bits lost':>9} {'eff. bits':>17} {'pixel MSE':>9}"
    header += f" {'J/image':>9} {'TOPS/W':>9}"
    print(header)
    for one in [plain, *ranked]:
        bits = " ".join(f"{b:5.2f}" for b in one["effective_bits"])
        own = "" if one["energy_per_image"] is None else f"{one['energy_per_image']:9.2e} {one['tops_per_watt']:9.2e}"
        lost = "" if one["bits_lost"] is None else f"{one['bits_lost']:.4f}"
        print(f"{one['name']:28} {one['ks']:6.3f} {one['sd']:5.2f} {lost:>9} {bits:>17} {one['pixel_mse']:9.4f} {own}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    draw(
        [plain, *ranked[:3], *ranked[-1:]] if len(ranked) > 3 else [plain, *ranked],
        arguments.out / "periphery_images.png",
    )
    plainly = [{k: v for k, v in one.items() if k not in ("images", "latents")} for one in [plain, *ranked]]
    (arguments.out / "periphery_images.json").write_text(json.dumps(plainly, indent=1) + "\n")


if __name__ == "__main__":
    main()
