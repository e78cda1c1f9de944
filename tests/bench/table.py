"""Samples in, a calm table out: medians, and in brackets the least and most."""
import statistics

LABEL = 26
CELL = 24


def number(value):
    """Three figures, no exponent."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def cell(samples):
    if not samples:
        return "-"
    middle = number(statistics.median(samples))
    if len(samples) == 1:
        return middle
    return f"{middle} ({number(min(samples))}-{number(max(samples))})"


def heading(title, columns):
    print(f"\n{title}")
    print(" " * LABEL + "".join(f"{c:<{CELL}}" for c in columns).rstrip())


def row(label, cells, remark=""):
    line = f"  {label:<{LABEL - 2}}"
    line += "".join(f"{cell(c):<{CELL}}" for c in cells)
    print((line + remark).rstrip(), flush=True)


def target(have, limit, at_most, reason):
    """The remark beside a figure that has a target; it is never asserted."""
    have, sign = statistics.median(have), "<=" if at_most else ">="
    is_met = have <= limit if at_most else have >= limit
    return (f"target {sign} {number(limit)} ({reason}): "
            f"{'met' if is_met else 'NOT met'}")
