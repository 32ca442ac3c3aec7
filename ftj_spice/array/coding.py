"""Input coding: how a vector of inputs becomes row voltages of reads, and reads become products again.

An input is quantised to sign and magnitude, `code = rint(value / step)`. Per input vector an array is read
`conversions x slots` times: the currents of a conversion's slots are integrated on one capacitor, each for its share
of the integration time, and converted once; the results of the conversions are added with weights. With cells in
proportion, `sum_c weights[c] sum_s shares[s] drive[c, s, row] = code[row] * step`, where `drive` is the row's voltage
in parts of V_VMM.

| coding        | conversions                     | slots      | row voltage                  |
|---------------|---------------------------------|------------|------------------------------|
| `bit-serial`  | one per bit of the magnitude    | 1          | V_VMM where the bit is set   |
| `pulse-width` | 1                               | `largest`  | V_VMM in the first |code|    |
| `amplitude`   | 1                               | 1          | `V_VMM code / largest`       |

Signed inputs take bit-serial and pulse-width coding through two phases, positive inputs in the first, negative ones
in the second; their digits are subtracted. Bit-serial and pulse-width drive a row with V_VMM or nothing, so a
nonlinear I-V law can't distort the product; amplitude coding is bent by it, unless the drivers' converter follows the
inverse law (`predistort`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ftj_spice.array.settings import ReadSettings
from ftj_spice.device.card import Card
from ftj_spice.device.conduction import ConductionLaw

LATENT_RANGE = 4.0
"""Full scale of inputs that are about standard normal."""


def largest_code(bits: int, signed: bool) -> int:
    """Returns the largest code of inputs of so many bits, sign included where there is one."""
    return 2 ** (bits - 1 if signed else bits) - 1


def full_scale_of(inputs: NDArray[np.float64], settings: ReadSettings, signed: bool) -> float:
    """Returns the full scale at which the largest magnitude of some inputs is the largest code; 1 where all are 0."""
    largest = largest_code(settings.input_bits, signed)
    return (float(np.max(np.abs(inputs))) or 1.0) * (largest + 1) / largest


@dataclass(frozen=True)
class Coding:
    """What the codings have in common.

    Attributes:
        bits: Bits of an input, sign included where there is one.
        signed: Whether inputs can be negative.
        full_scale: The largest input is one step under it.
    """

    bits: int
    signed: bool = True
    full_scale: float = LATENT_RANGE

    @property
    def largest(self) -> int:
        """Largest code."""
        return largest_code(self.bits, self.signed)

    @property
    def step(self) -> float:
        """Value of one code."""
        return self.full_scale / (self.largest + 1)

    @property
    def constant(self) -> float:
        """Input that carries a layer's bias: the one nearest to 1 that the coding represents."""
        return self.step * float(np.clip(np.rint(1.0 / self.step), 1, self.largest))

    @property
    def phases(self) -> tuple[int, ...]:
        """Signs of the phases."""
        return (1, -1) if self.signed else (1,)

    @property
    def weights(self) -> NDArray[np.float64]:
        """What each conversion counts for, as an input value at V_VMM all the time, shape `(conversions,)`."""
        raise NotImplementedError

    @property
    def shares(self) -> NDArray[np.float64]:
        """Each slot's share of the integration time, shape `(slots,)`; their sum is 1."""
        return np.ones(1)

    @property
    def reads(self) -> int:
        """Reads per input vector."""
        return len(self.weights) * len(self.shares)

    def quantise(self, values: NDArray[np.float64]) -> NDArray[np.int32]:
        """Returns the nearest codes, clipped to the range."""
        low = -self.largest if self.signed else 0
        return np.clip(np.rint(values / self.step), low, self.largest).astype(np.int32)

    def drive(self, codes: NDArray[np.int32]) -> NDArray[np.float64]:
        """Returns row voltages in parts of V_VMM, shape `(batch * reads, rows)`, from codes of shape `(batch, rows)`.

        A vector's reads follow one another, conversion by conversion, slot by slot.
        """
        raise NotImplementedError

    def proportional(self, codes: NDArray[np.int32]) -> NDArray[np.float64]:
        """Returns each conversion's mean drive with ideal drivers and cells, shape `(batch * conversions, rows)`."""
        split = self.drive(codes).reshape(-1, len(self.shares), codes.shape[1])
        return np.tensordot(split, self.shares, axes=(1, 0))

    def _magnitudes(self, codes: NDArray[np.int32]) -> NDArray[np.int32]:
        """Returns the magnitudes of each phase, shape `(batch, phases, 1, rows)`."""
        return np.stack([np.maximum(sign * codes, 0) for sign in self.phases], axis=1)[:, :, np.newaxis, :]


@dataclass(frozen=True)
class BitSerial(Coding):
    """A magnitude's bits one after another, least significant first."""

    @property
    def _bits(self) -> int:
        return self.bits - 1 if self.signed else self.bits

    @property
    def weights(self) -> NDArray[np.float64]:
        """Powers of two times the step, negative in the second phase."""
        powers = np.array([self.step * 2**m for m in range(self._bits)])
        return np.concatenate([sign * powers for sign in self.phases])

    def drive(self, codes: NDArray[np.int32]) -> NDArray[np.float64]:
        """Returns 1 where a bit is set."""
        powers = (2 ** np.arange(self._bits, dtype=np.int32))[np.newaxis, np.newaxis, :, np.newaxis]
        on = (self._magnitudes(codes) & powers) > 0
        return on.reshape(-1, codes.shape[1]).astype(float)


@dataclass(frozen=True)
class PulseWidth(Coding):
    """A pulse as long as the magnitude, in slots of equal length."""

    @property
    def weights(self) -> NDArray[np.float64]:
        """The largest input, negative in the second phase."""
        return np.array([sign * self.step * self.largest for sign in self.phases])

    @property
    def shares(self) -> NDArray[np.float64]:
        """One slot per code."""
        return np.full(self.largest, 1.0 / self.largest)

    def drive(self, codes: NDArray[np.int32]) -> NDArray[np.float64]:
        """Returns 1 in as many slots as the magnitude says."""
        slots = np.arange(self.largest, dtype=np.int32)[np.newaxis, np.newaxis, :, np.newaxis]
        on = self._magnitudes(codes) > slots
        return on.reshape(-1, codes.shape[1]).astype(float)


@dataclass(frozen=True)
class Amplitude(Coding):
    """A row voltage in proportion to the input, of either sign.

    Attributes:
        levels: Voltage in parts of V_VMM of the codes 0 to `largest`, where the drivers follow another law than
            proportion; none otherwise.
    """

    levels: tuple[float, ...] | None = None

    @property
    def weights(self) -> NDArray[np.float64]:
        """The largest input."""
        return np.array([self.step * self.largest])

    def drive(self, codes: NDArray[np.int32]) -> NDArray[np.float64]:
        """Returns voltages in parts of V_VMM."""
        if self.levels is None:
            return codes / self.largest
        return np.sign(codes) * np.asarray(self.levels)[np.abs(codes)]

    def proportional(self, codes: NDArray[np.int32]) -> NDArray[np.float64]:
        """Returns the codes in parts of the largest."""
        return codes / self.largest


def make_coding(settings: ReadSettings, card: Card, signed: bool, full_scale: float) -> Coding:
    """Returns the coding that the settings ask for.

    Args:
        settings: Settings of the read phase.
        card: Device card: its law is what `predistort` inverts.
        signed: Whether inputs can be negative.
        full_scale: The largest input is one step under it.
    """
    kinds: dict[str, type[Coding]] = {"bit-serial": BitSerial, "pulse-width": PulseWidth, "amplitude": Amplitude}
    kind = kinds[settings.coding]
    if kind is Amplitude and settings.predistort and not settings.ohmic:
        plain = Amplitude(settings.input_bits, signed, full_scale)
        middle = 0.5 * (card.on_conductance + card.off_conductance)
        return Amplitude(
            settings.input_bits,
            signed,
            full_scale,
            inverse_levels(card.conduction, middle, card.vmm_voltage, plain.largest),
        )
    return kind(settings.input_bits, signed, full_scale)


def inverse_levels(law: ConductionLaw, conductance: float, voltage: float, largest: int) -> tuple[float, ...]:
    """Returns the voltages, in parts of `voltage`, at which a cell's current is k / largest of that at `voltage`.

    Found by bisection for k from 0 to `largest`; right for every cell where the law is one function of the voltage
    times the conductance.
    """
    wanted = np.arange(largest + 1) / largest * float(law.current(conductance, voltage))
    low, high = np.zeros(largest + 1), np.ones(largest + 1)
    for _ in range(60):
        middle = 0.5 * (low + high)
        above = law.current(np.full_like(middle, conductance), middle * voltage) > wanted
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    levels = 0.5 * (low + high)
    levels[0], levels[-1] = 0.0, 1.0
    return tuple(levels.tolist())
