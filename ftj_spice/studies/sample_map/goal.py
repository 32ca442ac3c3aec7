"""The operating point that a goal asks for: the best of a map within its limits, and why it is the best.

Everything is decided by closed forms, so that no luck of a simulation chooses a point.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ftj_spice.results.units import engineering as eng
from ftj_spice.studies.sample_map.points import MapPoint
from ftj_spice.studies.sample_map.settings import Limits


@dataclass(frozen=True)
class Goal:
    """What a goal wants least of.

    Attributes:
        label: The rule in words.
        figure: What is compared, in words.
        unit: SI unit of it.
    """

    label: str
    figure: str
    unit: str

    def value(self, point: MapPoint) -> float:
        """Returns what is to be least."""
        if self.figure == "distance to the normal":
            return point.figures["distance"].closed
        return point.period if self.figure == "time per sample" else point.energy


GOALS: dict[str, Goal] = {
    "gaussian": Goal("the least distance to the normal", "distance to the normal", "1"),
    "fastest": Goal("the shortest time per sample, and of equal ones the least distance to the normal",
                    "time per sample", "s"),
    "lowest-energy": Goal("the least energy per sample, rows and converter", "energy per sample", "J"),
}  # fmt: skip
"""Goals by name."""


@dataclass(frozen=True)
class Check:
    """One limit at one point.

    Attributes:
        name: Name of the limit's setting.
        label: What is limited, in words.
        value: What the point has.
        limit: The limit.
        least: Whether the value must be at least the limit, not at most.
    """

    name: str
    label: str
    value: float
    limit: float
    least: bool = False

    @property
    def kept(self) -> bool:
        """Whether the limit is kept."""
        return self.value >= self.limit if self.least else self.value <= self.limit

    @property
    def excess(self) -> float:
        """By what factor the limit is missed; 1 at the limit, less within it."""
        if self.least:
            return self.limit / self.value if self.value > 0 else float("inf")
        return self.value / self.limit

    @property
    def sentence(self) -> str:
        """The comparison in words."""
        sign = (">=" if self.least else "<=") if self.kept else ("<" if self.least else ">")
        return f"{self.label} {self.value:.3g} {sign} {self.limit:g}"


def checks(point: MapPoint, limits: Limits, disturb: float | None) -> list[Check]:
    """Returns how a point stands against every limit.

    Args:
        point: The point.
        limits: The limits.
        disturb: Share of the domains that the reads flip at its voltage; none where they can't, in the stored
            direction.
    """
    found = [
        Check("distance", "distance to the normal", point.figures["distance"].closed, limits.distance),
        Check(
            "autocorrelation", "|autocorrelation|", abs(point.figures["autocorrelation_1"].closed),
            limits.autocorrelation,
        ),
        Check("noise_steps", "noise in converter steps", point.noise_steps, limits.noise_steps, least=True),
    ]  # fmt: skip
    if disturb is not None:
        found.append(Check("disturb", "share of flipped domains", disturb, limits.disturb))
    return found


@dataclass(frozen=True)
class Neighbour:
    """A point beside the recommended one.

    Attributes:
        place: Numbers of its voltage and time.
        point: The point.
        value: What the goal wants least of.
        missed: Limits that it misses.
    """

    place: tuple[int, int]
    point: MapPoint
    value: float
    missed: list[Check]


@dataclass(frozen=True)
class Recommendation:
    """What a goal recommends.

    Attributes:
        goal: Name of the goal.
        place: Numbers of the point's voltage and time; none where no point keeps all limits.
        nearest: Where there is none: the point that misses its limits by the smallest factor.
        value: What the goal wants least of, at that place.
        checks: Limits there.
        neighbours: Points beside it.
        binding: Names of the limits that the better points beside it miss (or, where none of those is better, all
            better points); none where no point is better.
        kept: How many points keep all limits.
        reason: Why, in sentences.
    """

    goal: str
    place: tuple[int, int] | None
    nearest: tuple[int, int]
    value: float
    checks: list[Check]
    neighbours: list[Neighbour]
    binding: tuple[str, ...]
    kept: int
    reason: str


def recommend(
    points: Sequence[Sequence[MapPoint]], goal: str, limits: Limits, disturb: Sequence[float | None]
) -> Recommendation:
    """Returns the best point of a map for a goal.

    Args:
        points: By voltage and time.
        goal: Name of the goal.
        limits: What it must keep.
        disturb: Flipped share of each voltage, as for `checks`.
    """
    wanted = GOALS[goal]
    flat = {(i, k): point for i, row in enumerate(points) for k, point in enumerate(row)}
    found = {place: checks(point, limits, disturb[place[0]]) for place, point in flat.items()}
    missed = {place: [c for c in own if not c.kept] for place, own in found.items()}
    inside = [place for place in flat if not missed[place]]

    def rank(place: tuple[int, int]) -> tuple[float, float]:
        return wanted.value(flat[place]), flat[place].figures["distance"].closed

    if not inside:
        nearest = min(flat, key=lambda place: max(c.excess for c in found[place]))
        return Recommendation(
            goal, None, nearest, wanted.value(flat[nearest]), found[nearest], [],
            tuple(c.name for c in missed[nearest]), 0,
            f"no point keeps all limits; the nearest is {_name(flat[nearest])}, which misses "
            + " and ".join(c.sentence for c in missed[nearest]),
        )  # fmt: skip
    best = min(inside, key=rank)
    i, k = best
    beside = [
        Neighbour((a, b), flat[a, b], wanted.value(flat[a, b]), missed[a, b])
        for a, b in ((i - 1, k), (i + 1, k), (i, k - 1), (i, k + 1))
        if (a, b) in flat
    ]
    better = [place for place in flat if rank(place) < rank(best)]
    keeping = [n.place for n in beside if n.place in better] or better
    binding = tuple(name for name in Limits.model_fields if any(name in {c.name for c in missed[p]} for p in keeping))
    point = flat[best]
    if len(flat) == 1:
        why = "keeps all limits"
    elif len(inside) == 1:
        why = f"is the only one of {len(flat)} points that keeps all limits"
    else:
        why = f"has {wanted.label} of the {len(inside)} points (of {len(flat)}) that keep all limits"
    reason = f"{_name(point)} {why}: {_value(wanted, wanted.value(point))}; "
    reason += ", ".join(c.sentence for c in found[best])
    if better:
        closest = min(better, key=lambda p: (abs(p[0] - i) + abs(p[1] - k), rank(p)))
        which = f"{len(better)} points would be better but miss a limit; the closest, "
        reason += (
            f". {which if len(better) > 1 else 'One point would be better but misses a limit: '}{_name(flat[closest])} "
            f"({_value(wanted, wanted.value(flat[closest]))}), has " + " and ".join(c.sentence for c in missed[closest])
        )
    elif len(flat) > 1:
        reason += ". No limit binds: it is the best of all points"
    if len(flat) > 1:
        ends = [
            name
            for name, number, count in (("voltage", i, len(points)), ("time", k, len(points[0])))
            if count > 1 and number in {0, count - 1}
        ]
        if ends:
            reason += f". It lies at the end of the {' and '.join(ends)} sweep: a wider one may hold a better point"
    return Recommendation(goal, best, best, wanted.value(point), found[best], beside, binding, len(inside), reason)


def _name(point: MapPoint) -> str:
    return f"{point.voltage:.4g} V, {eng(point.time, 's')}"


def _value(goal: Goal, value: float) -> str:
    return f"{goal.figure} {eng(value, goal.unit) if goal.unit != '1' else f'{value:.3g}'}"
