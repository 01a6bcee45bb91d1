"""What drawings are made of: SVG that can stand by itself or within a page.

No scripts, no fonts and no files from elsewhere. A drawing has a title and a description for those
who do not see it, its own paper and its own colours for light and dark, and is as wide as the
place it is given. Nobody can measure text here, so that its width is estimated, on the safe side.
"""

import re
from collections.abc import Iterable, Iterator
from html import escape
from typing import Final, Literal

from connect_core.lifecycle import Role, Status

# --- Colours -------------------------------------------------------------------------------------

#: What each thing is coloured by, on light paper and on dark. Each has at least 4.5 : 1 to it.
_TONES: Final[dict[str, tuple[str, str]]] = {
    "ink": ("#1f2328", "#e6edf3"),
    "muted": ("#59636e", "#9aa4b0"),
    "faint": ("#c8d1da", "#3d444d"),
    "paper": ("#ffffff", "#0d1117"),
    "refused": ("#c4222d", "#ff7b72"),
    "data": ("#1a7f37", "#3fb950"),
    Role.SOURCE: ("#0860ca", "#58a6ff"),
    Role.DESTINATION: ("#8250df", "#bc8cff"),
    "both": ("#0f6b75", "#39c5cf"),
    "outsider": ("#59636e", "#9aa4b0"),
    Status.PENDING: ("#8a5a00", "#d8a43a"),
    Status.ACTIVE: ("#1a7f37", "#3fb950"),
    Status.INACTIVE: ("#59636e", "#9aa4b0"),
}


def colours(mode: Literal["light", "dark"], within: str = "") -> str:
    """The style sheet of one mode, for drawings anywhere or only for those `within` a selector."""
    which = 0 if mode == "light" else 1
    tones = "".join(f"{within}.cxn .{tone}{{color:{both[which]}}}" for tone, both in _TONES.items())
    return f"{within}.cxn{{color:{_TONES['ink'][which]}}}{tones}"


#: Everything is scoped by the class `cxn`: within a page, style sheets reach beyond their drawing.
_STYLE: Final = (
    ".cxn{display:block;width:100%;height:auto;margin:auto}"
    '.cxn text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,'
    "sans-serif;fill:currentColor}"
    ".cxn .strong{font-weight:600}"
    ".cxn .paper,.cxn .solid{fill:currentColor}"
    ".cxn .box{fill:currentColor;fill-opacity:.1;stroke:currentColor;stroke-width:1.5}"
    ".cxn .edge,.cxn .line,.cxn .lane{fill:none;stroke:currentColor;stroke-width:1.5}"
    ".cxn .broken{stroke-dasharray:5 4}"
    ".cxn .bar{stroke-width:5}"
    ".cxn .stream{stroke-width:3}"
    f"{colours('light')}@media (prefers-color-scheme:dark){{{colours('dark')}}}"
)

# --- Elements ------------------------------------------------------------------------------------

_Attributes = dict[str, float | str]

#: Sizes of text, and the room around everything.
SIZE: Final = 13
SMALL: Final = 12
MARGIN: Final = 16

_NARROW: Final = frozenset("iljtfrI.,:;'|!()[] ")
_WIDE: Final = frozenset("mwMWQOGD@%&<>=+#~^")


def width_of(text: str, size: float, *, strong: bool = False) -> float:
    """About how wide `text` is; it is rather narrower than this."""
    ems = sum(map(_ems, text))
    return ems * size * (1.13 if strong else 1)


def _ems(character: str) -> float:
    if character in _NARROW:
        return 0.38
    if character in _WIDE or not character.isascii():
        return 1
    return 0.7 if character.isupper() else 0.64


def fitted(text: str, size: float, room: float) -> str:
    """`text`, or as much of its beginning as there is room for."""
    if width_of(text, size) <= room:
        return text
    kept = text
    while kept and width_of(f"{kept}…", size) > room:
        kept = kept[:-1]
    return f"{kept}…"


def _escaped(text: str) -> str:
    """Text that XML takes: what it forbids, altogether or by meaning, is replaced."""
    return escape(re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text))


def tag(name: str, attributes: _Attributes, content: str = "") -> str:
    """An element; `content` is escaped already. Attributes that are empty are left out."""
    written = "".join(
        f' {key}="{value if isinstance(value, str) else f"{value:.6g}"}"'
        for key, value in attributes.items()
        if value != ""
    )
    return f"<{name}{written}>{content}</{name}>" if content else f"<{name}{written}/>"


def label(
    text: str, x: float, y: float, *, size: float = SIZE, classes: str = "", anchor: str = "middle"
) -> str:
    """A line of text that stands on `y`."""
    place: _Attributes = {"class": classes, "x": x, "y": y}
    return tag("text", place | {"font-size": size, "text-anchor": anchor}, _escaped(text))


def group(classes: str, elements: Iterable[str], title: str = "") -> str:
    """Elements of one tone, with a title that is shown to whoever points at them."""
    told = [tag("title", {}, _escaped(title))] if title else []
    return tag("g", {"class": classes}, "\n" + "\n".join([*told, *elements]) + "\n")


def line(x1: float, y1: float, x2: float, y2: float, classes: str = "line") -> str:
    """A straight line."""
    return tag("line", {"class": classes, "x1": x1, "y1": y1, "x2": x2, "y2": y2})


def box(x: float, y: float, width: float, height: float, radius: float) -> Iterator[str]:
    """A tinted box, opaque; `x` and `y` are its middle."""
    place: _Attributes = {"x": x - width / 2, "y": y - height / 2, "width": width, "height": height}
    for classes in ("paper", "box"):
        yield tag("rect", {"class": classes} | place | {"rx": radius})


#: How high a pill is.
PILL: Final = 20


def pill_width(text: str) -> float:
    """How wide a pill with this word is."""
    return width_of(text, SMALL) + 18


def pill(text: str, x: float, y: float, tone: str) -> str:
    """A word in a small rounded box."""
    around = box(x, y, pill_width(text), PILL, PILL / 2)
    return group(tone, [*around, label(text, x, y + 4, size=SMALL, classes="within")])


def head(x: float, y: float, dx: int, dy: int = 0) -> str:
    """The head of an arrow that points by (dx, dy) and ends at (x, y)."""
    sides = [(x - 9 * dx + 4.5 * dy * side, y - 9 * dy + 4.5 * dx * side) for side in (1, -1)]
    points = " ".join(f"{a:.6g},{b:.6g}" for a, b in ((x, y), *sides))
    return tag("polygon", {"class": "solid", "points": points})


def document(
    ident: str, title: str, description: str, size: tuple[float, float], body: Iterable[str]
) -> str:
    """The whole drawing. Ids are the drawing's own, for several may stand in one page."""
    width, height = size
    paper: _Attributes = {"x": 0.5, "y": 0.5, "width": width - 1, "height": height - 1, "rx": 10}
    content = [
        tag("title", {"id": f"{ident}-title"}, _escaped(title)),
        tag("desc", {"id": f"{ident}-desc"}, _escaped(description)),
        tag("style", {}, _STYLE),
        *(tag("rect", paper | {"class": classes}) for classes in ("paper", "faint edge")),
        *body,
    ]
    attributes: _Attributes = {
        "class": "cxn",
        "xmlns": "http://www.w3.org/2000/svg",
        "viewBox": f"0 0 {width:.6g} {height:.6g}",
        # However wide the page is, the text is not to be much larger than the page's own.
        "style": f"max-width:{width * 1.25:.6g}px",
        "role": "img",
        "aria-labelledby": f"{ident}-title {ident}-desc",
    }
    return tag("svg", attributes, "\n" + "\n".join(content) + "\n")
