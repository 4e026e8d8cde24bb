"""What a series of readings says about growth; without a clock or a server of its own, so that `run.py` can try it first."""
import statistics


def percentile(values: list[float], q: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def slope(times: list[float], values: list[float]) -> float:
    """Per second; the median of the slopes between all pairs, which single spikes do not move."""
    step = max(1, len(times) // 300)  # 45,000 pairs say as much as all
    points = list(zip(times, values))[::step]
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for i, a in enumerate(points) for b in points[i + 1:] if b[0] > a[0]]
    return statistics.median(slopes) if slopes else 0.0


class Growth:
    """Of a level (bytes): how much the trend adds over the time judged, and how much it may."""

    def __init__(self, times: list[float], values: list[float], share: float, least: float):
        self.level = statistics.median(values)
        self.grown = slope(times, values) * (times[-1] - times[0])
        self.allowed = max(share * self.level, least)

    def problem(self, what: str) -> str | None:
        if self.grown <= self.allowed:
            return None
        return f"{what} grows by {self.grown / 2**20:.1f} MiB at a level of {self.level / 2**20:.1f}; {self.allowed / 2**20:.1f} are allowed"


def drift(values: list[float], ratio: float, least: float) -> tuple[float, float, bool]:
    """Medians of the first and of the last third, and whether the last is above `ratio` times the first and `least` more."""
    third = max(1, len(values) // 3)
    first, last = statistics.median(values[:third]), statistics.median(values[-third:])
    return first, last, last > ratio * first + least


def tried() -> list[str]:
    """What is wrong with the judgements themselves: noise must pass, and growth must not."""
    wrong = []
    times = [float(i) for i in range(600)]
    noise = [(i * 7919 % 97) * 2**16 for i in range(600)]
    spikes = [2**28 if i % 50 == 0 else 0 for i in range(600)]
    level = [2**27 + noise[i] + spikes[i] for i in range(600)]
    if problem := Growth(times, level, 0.1, 2**23).problem("a level with spikes"):
        wrong.append(problem)
    leak = [value + 60_000 * i for i, value in enumerate(level)]  # 34 MiB in ten minutes
    if not Growth(times, leak, 0.1, 2**23).problem("a leak"):
        wrong.append("a leak of 60 kB a second is not seen")
    if drift([10, 12, 9, 30, 11, 10, 9, 12, 10], 1.5, 2)[2]:
        wrong.append("a latency that stays is called unstable")
    if not drift([10, 12, 9, 14, 16, 15, 24, 26, 25], 1.5, 2)[2]:
        wrong.append("a latency that doubles is called stable")
    return wrong
