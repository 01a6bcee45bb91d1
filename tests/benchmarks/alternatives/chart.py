"""The figures as a chart, drawn by matplotlib: one file for light pages, one for dark ones.

It is narrow, so that it can be read on a phone, with each name above its bar. The background is
transparent. Text stays text, and nothing depends on the machine or the time, so that the same
report gives the same bytes.
"""

# pyright: reportUnknownMemberType=false
# (matplotlib declares most functions with untyped keyword arguments.)

from collections.abc import Mapping, Sequence
from io import BytesIO
from math import ceil, floor, log10
from pathlib import Path
from typing import Final, NamedTuple

import matplotlib as mpl
from benchmarks.timing import readable
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .panels import Bar, Panel, panels
from .report import OURS, Report


class Theme(NamedTuple):
    """The colours of a chart."""

    text: str
    muted: str
    grid: str
    ours: str
    others: str


#: The themes by their names.
THEMES: Final = {
    "light": Theme("#1f2328", "#59636e", "#d0d7de", "#1a7f37", "#0969da"),
    "dark": Theme("#e6edf3", "#9198a1", "#3d444d", "#3fb950", "#58a6ff"),
}

_TITLE: Final = "How long each library takes, question by question, on logarithmic scales"
_CAPTION: Final = (
    "Time for one answer; shorter is quicker. The scale is\n"
    "logarithmic: each line is ten times the one before it.\n"
    f"Bold and green: {OURS}."
)

# Points; a CSS pixel is three quarters of one.
_WIDTH: Final = 330
_MARGIN: Final = 6
_ROW: Final = 26
_HEADING: Final = 56  # the title and scale above the rows of a panel
_INTRODUCTION: Final = 36  # the caption above the panels
_SIZE: Final = 10.5
_SMALL: Final = 9.5


def write_charts(report: Report, paths: Mapping[str, Path]) -> None:
    """Write the chart for each theme to its file."""
    for theme, path in paths.items():
        path.write_text(chart(report, theme), encoding="utf-8")


def chart(report: Report, theme: str) -> str:
    """The chart as SVG."""
    shown = panels(report)
    with mpl.rc_context():
        mpl.rcdefaults()  # ignore this machine's own settings
        mpl.rcParams.update(
            {
                "font.family": ["sans-serif"],
                "font.sans-serif": ["DejaVu Sans"],  # matplotlib ships it
                "svg.fonttype": "none",
                "svg.hashsalt": "connect-core",
            }
        )
        figure = _figure(shown, THEMES[theme])
        written = BytesIO()
        description = " ".join(f"{_in_words(panel)}." for panel in shown)
        figure.savefig(
            written,
            format="svg",
            transparent=True,
            metadata={"Title": _TITLE, "Description": description, "Creator": None, "Date": None},
        )
    lines = written.getvalue().decode().splitlines()
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _in_words(panel: Panel) -> str:
    times = ", ".join(f"{bar.name} {readable(bar.seconds)}" for bar in panel.bars)
    return f"{panel.title}: {times}"


def _figure(shown: Sequence[Panel], theme: Theme) -> Figure:
    """The caption, with the panels below it."""
    height = _INTRODUCTION + sum(map(_height, shown)) + _MARGIN
    figure = Figure(figsize=(_WIDTH / 72, height / 72), dpi=72)
    left = _MARGIN / _WIDTH
    top = height - _MARGIN
    figure.text(left, top / height, _CAPTION, va="top", color=theme.muted, fontsize=_SMALL)
    top = height - _INTRODUCTION
    for panel in shown:
        rows = _ROW * len(panel.bars)
        bottom = top - _height(panel)
        axes = figure.add_axes((left, bottom / height, 1 - 2 * left, rows / height))
        _draw(panel, axes, theme)
        top = bottom
    return figure


def _height(panel: Panel) -> int:
    """The height of a panel with its heading, in points."""
    return _HEADING + _ROW * len(panel.bars)


def _draw(panel: Panel, axes: Axes, theme: Theme) -> None:
    """Draw a panel: bars from the quickest to the slowest, on a logarithmic scale."""
    first = floor(log10(panel.bars[0].seconds))
    last = ceil(log10(panel.bars[-1].seconds))
    powers = [10.0**power for power in range(first, last + 1)]
    axes.set_title(
        panel.title, loc="left", color=theme.text, fontsize=_SIZE, fontweight="bold", pad=21
    )
    axes.set_xscale("log")
    axes.set_xlim(powers[0], powers[-1])
    axes.set_ylim(len(panel.bars), 0)
    axes.set_xticks(powers, [readable(power * 1.0000001) for power in powers])
    axes.set_xticks([], minor=True)
    axes.set_yticks([])
    axes.tick_params("x", top=False, bottom=False, labeltop=True, labelbottom=False, pad=3)
    axes.tick_params("x", labelsize=_SMALL, labelcolor=theme.muted)
    labels = axes.get_xticklabels()
    labels[0].set_horizontalalignment("left")
    labels[-1].set_horizontalalignment("right")
    axes.grid(axis="x", color=theme.grid, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    for place, bar in enumerate(panel.bars):
        _draw_bar(bar, place, axes, theme)


def _draw_bar(bar: Bar, place: int, axes: Axes, theme: Theme) -> None:
    """Draw a name and a time, and below them a line with a dot at its end."""
    colour = theme.ours if bar.ours else theme.others
    line = place + 0.84
    axes.hlines(line, axes.get_xlim()[0], bar.seconds, color=colour, linewidth=2, clip_on=False)
    axes.plot(bar.seconds, line, "o", color=colour, markersize=7, clip_on=False)
    beside = axes.get_yaxis_transform()
    for x, side, text in ((0, "left", bar.name), (1, "right", readable(bar.seconds))):
        axes.text(
            x,
            place + 0.56,
            text,
            transform=beside,
            ha=side,
            va="baseline",
            color=theme.text,
            fontsize=_SMALL,
            fontweight="bold" if bar.ours else "normal",
        )
