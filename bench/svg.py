"""Pictures of curves, as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from itertools import pairwise

from bench.rounds import Picture

_WIDTH, _HEIGHT = 720, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 190, 46, 52
_FONT = 'font-family="sans-serif" font-size="12" fill="#24292f" role="img"'
_COLOURS = ("#1f6feb", "#d1242f", "#2da44e", "#9a6700", "#8250df", "#57606a")


def draw(picture: Picture) -> str:
    """Return a picture as SVG: across on a logarithmic scale, up from 0.

    Args:
        picture: The curves; at least one point.
    """
    xs = [x for points in picture.curves.values() for x, _ in points]
    ys = [y for points in picture.curves.values() for _, y in points]
    low, high = math.log10(min(xs)), math.log10(max(xs))
    top = ceiling(max(ys))

    def at(x: float, y: float) -> tuple[float, float]:
        part = (math.log10(x) - low) / (high - low) if high > low else 0.5
        across = _LEFT + part * (_WIDTH - _LEFT - _RIGHT)
        return across, _HEIGHT - _BOTTOM - y / top * (_HEIGHT - _TOP - _BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" {_FONT}>',
        f"<title>{escape(picture.title)}</title>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
        _text(_LEFT, 22, picture.title, "start", 'font-size="14" font-weight="bold"'),
        _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 12, picture.across, "middle"),
        _text(_LEFT, 40, picture.up, "start", 'fill="#57606a"'),
    ]
    for step in range(5):
        y = top * step / 4
        left, height = at(min(xs), y)
        parts.append(_line(left, height, _WIDTH - _RIGHT, height, "#d0d7de"))
        parts.append(_text(_LEFT - 8, height + 4, number(y), "end"))
    for x in sorted(set(xs)):
        across, bottom = at(x, 0)
        parts.append(_line(across, bottom, across, bottom + 5, "#57606a"))
        parts.append(_text(across, bottom + 19, number(x), "middle"))
    ends = _apart([at(*points[-1])[1] for points in picture.curves.values()])
    for place, (name, points) in enumerate(picture.curves.items()):
        colour = _COLOURS[place % len(_COLOURS)]
        placed = [at(x, y) for x, y in points]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in placed]
        told = f"{name}: {number(points[-1][1])}"
        parts.append(
            _text(_WIDTH - _RIGHT + 10, ends[place] + 4, told, "start", f'fill="{colour}"')
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


def ceiling(value: float) -> float:
    """Return the next of 1, 2, 4, 6, 8 times a power of ten: the axis' end."""
    if value <= 0:
        return 1.0
    power = 10 ** math.floor(math.log10(value))
    return next(n * power for n in (1, 2, 4, 6, 8, 10) if n * power >= value * 0.999)


def number(value: float) -> str:
    """Tell a number in few characters."""
    if value >= 1_000_000:
        return f"{value / 1e6:g} M"
    if value >= 1_000:
        return f"{value / 1e3:.3g} k"
    return f"{value:.3g}"


def _apart(heights: Sequence[float]) -> list[float]:
    """Move labels apart that would stand on one another."""
    placed = list(heights)
    order = sorted(range(len(placed)), key=placed.__getitem__)
    for above, below in pairwise(order):
        placed[below] = max(placed[below], placed[above] + 15)
    return placed


def _text(x: float, y: float, text: str, anchor: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'
