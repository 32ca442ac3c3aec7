"""ftj-spice: circuit-level SPICE co-simulation of ferroelectric tunnel junction arrays.

The whole public API is re-exported here:

    import ftj_spice as ftj
    result = ftj.generate(ftj.RunSettings(samples=16, seed=1), out="run1", jobs=2)
    currents = ftj.Array(conductance=G, card="hzo_mfis_nominal", line_resistance=2.0).read(V).currents

Names are loaded on first use, so that worker processes start fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ftj_spice.array.array import Array as Array
    from ftj_spice.array.fingerprint.settings import FingerprintSettings as FingerprintSettings
    from ftj_spice.array.settings import ReadSettings as ReadSettings
    from ftj_spice.array.writing.settings import ProgramSettings as ProgramSettings
    from ftj_spice.common.errors import FtjSpiceError as FtjSpiceError
    from ftj_spice.device.card import Card as Card
    from ftj_spice.device.card import available_cards as available_cards
    from ftj_spice.device.card import load_card as load_card
    from ftj_spice.device.current import static_current as static_current
    from ftj_spice.device.domains import DomainSwitching as DomainSwitching
    from ftj_spice.device.switching import MeanSwitching as MeanSwitching
    from ftj_spice.device.waveform import Waveform as Waveform
    from ftj_spice.engines.arrays import ReadResult as ReadResult
    from ftj_spice.engines.errors import EngineError as EngineError
    from ftj_spice.engines.fast import FastReader as FastReader
    from ftj_spice.engines.ngspice import NgspiceEngine as NgspiceEngine
    from ftj_spice.engines.readers import open_reader as open_reader
    from ftj_spice.engines.witness import open_witness as open_witness
    from ftj_spice.generative.convolution import TransposedConvolution as TransposedConvolution
    from ftj_spice.generative.decoder import Decoder as Decoder
    from ftj_spice.generative.layers import Dense as Dense
    from ftj_spice.netlist.circuit import ArrayCircuit as ArrayCircuit
    from ftj_spice.netlist.circuit import Drive as Drive
    from ftj_spice.netlist.circuit import Line as Line
    from ftj_spice.netlist.circuit import Transistor as Transistor
    from ftj_spice.sampling.calibration.draw import sample_calibrated as sample_calibrated
    from ftj_spice.sampling.calibration.settings import CalibrateSettings as CalibrateSettings
    from ftj_spice.sampling.calibration.state import load_calibration as load_calibration
    from ftj_spice.sampling.phase import sample as sample
    from ftj_spice.sampling.settings import SampleSettings as SampleSettings
    from ftj_spice.sampling.trng.settings import TrngSettings as TrngSettings
    from ftj_spice.sampling.trng.source import BitSource as BitSource
    from ftj_spice.studies.calibration.draw import DrawSettings as DrawSettings
    from ftj_spice.studies.calibration.draw import draw_latents as draw_latents
    from ftj_spice.studies.calibration.study import calibrate as calibrate
    from ftj_spice.studies.characterize import CharacterizeResult as CharacterizeResult
    from ftj_spice.studies.characterize import characterize as characterize
    from ftj_spice.studies.fingerprint.study import fingerprint as fingerprint
    from ftj_spice.studies.fit import FitOrder as FitOrder
    from ftj_spice.studies.fit import FitResult as FitResult
    from ftj_spice.studies.fit import fit as fit
    from ftj_spice.studies.generate import GenerateResult as GenerateResult
    from ftj_spice.studies.generate import generate as generate
    from ftj_spice.studies.program import ProgramStudy as ProgramStudy
    from ftj_spice.studies.program import load_program_settings as load_program_settings
    from ftj_spice.studies.program import program as program
    from ftj_spice.studies.replay import replay as replay
    from ftj_spice.studies.sample_map.settings import MapSettings as MapSettings
    from ftj_spice.studies.sample_map.study import sample_map as sample_map
    from ftj_spice.studies.settings import RunSettings as RunSettings
    from ftj_spice.studies.settings import load_settings as load_settings
    from ftj_spice.studies.train import train as train
    from ftj_spice.studies.trng.digitisers import trng_digitisers as trng_digitisers
    from ftj_spice.studies.trng.entropy import trng_entropy as trng_entropy
    from ftj_spice.studies.trng.generate import trng_generate as trng_generate
    from ftj_spice.studies.trng.rates import trng_rates as trng_rates
    from ftj_spice.studies.trng.testing import trng_test as trng_test
    from ftj_spice.studies.vmm import VmmResult as VmmResult
    from ftj_spice.studies.vmm import vmm as vmm

_HOMES = {
    "Array": "array.array",
    "ArrayCircuit": "netlist.circuit",
    "BitSource": "sampling.trng.source",
    "CalibrateSettings": "sampling.calibration.settings",
    "Card": "device.card",
    "CharacterizeResult": "studies.characterize",
    "Decoder": "generative.decoder",
    "Dense": "generative.layers",
    "DomainSwitching": "device.domains",
    "DrawSettings": "studies.calibration.draw",
    "Drive": "netlist.circuit",
    "EngineError": "engines.errors",
    "FastReader": "engines.fast",
    "FingerprintSettings": "array.fingerprint.settings",
    "FitOrder": "studies.fit",
    "FitResult": "studies.fit",
    "FtjSpiceError": "common.errors",
    "GenerateResult": "studies.generate",
    "Line": "netlist.circuit",
    "MapSettings": "studies.sample_map.settings",
    "MeanSwitching": "device.switching",
    "NgspiceEngine": "engines.ngspice",
    "ProgramSettings": "array.writing.settings",
    "ProgramStudy": "studies.program",
    "ReadResult": "engines.arrays",
    "ReadSettings": "array.settings",
    "RunSettings": "studies.settings",
    "SampleSettings": "sampling.settings",
    "Transistor": "netlist.circuit",
    "TransposedConvolution": "generative.convolution",
    "TrngSettings": "sampling.trng.settings",
    "VmmResult": "studies.vmm",
    "Waveform": "device.waveform",
    "available_cards": "device.card",
    "calibrate": "studies.calibration.study",
    "characterize": "studies.characterize",
    "draw_latents": "studies.calibration.draw",
    "fingerprint": "studies.fingerprint.study",
    "fit": "studies.fit",
    "generate": "studies.generate",
    "load_calibration": "sampling.calibration.state",
    "load_card": "device.card",
    "load_program_settings": "studies.program",
    "load_settings": "studies.settings",
    "open_reader": "engines.readers",
    "open_witness": "engines.witness",
    "program": "studies.program",
    "replay": "studies.replay",
    "sample": "sampling.phase",
    "sample_calibrated": "sampling.calibration.draw",
    "sample_map": "studies.sample_map.study",
    "static_current": "device.current",
    "train": "studies.train",
    "trng_digitisers": "studies.trng.digitisers",
    "trng_entropy": "studies.trng.entropy",
    "trng_generate": "studies.trng.generate",
    "trng_rates": "studies.trng.rates",
    "trng_test": "studies.trng.testing",
    "vmm": "studies.vmm",
}
__all__ = sorted(_HOMES)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'ftj_spice' has no attribute {name!r}")
    return getattr(import_module(f"ftj_spice.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
