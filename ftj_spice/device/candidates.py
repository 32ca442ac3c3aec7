"""Candidate events of one trap, drawn as time goes on.

`ftj_spice.device.traps.draw_candidates` draws a whole span at once. Here the same stream gives the same events, bit for
bit, span after span, so that a run of any length needs the memory of one span only.
"""

import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.seeds import generator


class CandidateStream:
    """The candidate events of one trap.

    Args:
        seed: The run's seed.
        index: Index of the trap's stream.
        rate: Bounding rate in 1/s.
        occupancy: Probability of starting filled.
        purpose: Name of the seed stream.

    Attributes:
        state: State at time 0 (0 empty, 1 filled); whoever follows the trap may keep its state here.
    """

    def __init__(self, seed: int, index: tuple[int, ...], rate: float, occupancy: float, purpose: str = "trap") -> None:
        self._rng = generator(seed, purpose, *index)
        self._rate = rate
        self.state = int(self._rng.random() < occupancy)
        self._now = 0.0
        self._last = 0.0
        self._times, self._draws = np.empty(0), np.empty(0)

    def until(self, end: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Returns times (s) and acceptance draws of the events after the last call's end, up to `end` in s."""
        times, draws = [self._times], [self._draws]
        while self._last <= end:
            expected = self._rate * max(end - self._now, 0.0)
            uniform = self._rng.random((int(expected + 6.0 * np.sqrt(expected) + 16), 2))
            gaps = -np.log1p(-uniform[:, 0]) / self._rate
            block = np.cumsum(np.concatenate([[self._last], gaps]))[1:]
            times.append(block)
            draws.append(uniform[:, 1])
            self._last = float(block[-1])
        all_times, all_draws = np.concatenate(times), np.concatenate(draws)
        cut = int(np.searchsorted(all_times, end, side="right"))
        self._times, self._draws = all_times[cut:].copy(), all_draws[cut:].copy()
        self._now = end
        return all_times[:cut], all_draws[:cut]
