"""Plots of a run: functions from arrays to matplotlib figures, without pyplot and without global state.

Colours mean the same everywhere: blue is simulated, orange is closed form or exact, grey is a note.
"""

from ftj_spice.results.plots.images import image_grid, image_grid_png, save_image_grid
from ftj_spice.results.plots.noise import LatentMoments, integrator_waveform, latent_histogram, rtn_traces
from ftj_spice.results.plots.product import array_map, vmm_error
from ftj_spice.results.plots.run import timing_bar
from ftj_spice.results.plots.style import figure_png, figure_svg, save_figure

__all__ = [
    "LatentMoments",
    "array_map",
    "figure_png",
    "figure_svg",
    "image_grid",
    "image_grid_png",
    "integrator_waveform",
    "latent_histogram",
    "rtn_traces",
    "save_figure",
    "save_image_grid",
    "timing_bar",
    "vmm_error",
]
