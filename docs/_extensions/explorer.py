"""The directive ``explorer``: the decision table, and a form that looks up its rows.

The page contains the table as ``connect-core table --json`` writes it. The form's options come from
its rows, and so does everything that ``_static/explorer.js`` shows: neither has rules of its own.
"""

import json
from collections.abc import Iterable, Iterator
from html import escape

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

from connect_core import Action, decision_table, lifecycle, policy
from connect_core.adapters.cli.output import who
from connect_core.adapters.cli.rules import table_rows

_PAGE = """\
<form class="explorer" id="explorer-form" autocomplete="off" hidden>
<div class="explorer-choices">
{choices}
</div>
<p class="explorer-summary" role="status" data-part="summary"></p>
<h2 id="explorer-actions">What may be done</h2>
<div class="explorer-cards">
{cards}
</div>
<h2 id="explorer-log">A Connection, step by step</h2>
<p>Take an action that is allowed, and the Connection moves on. Ask for one that is refused, and
nothing changes. You may change who you are between two steps. Choose a status, and the log starts
again from there.</p>
<p data-part="beginning"></p>
<div role="log" aria-labelledby="explorer-log"><ol data-part="log"></ol></div>
<button type="button" data-part="again">Start again</button>
</form>
<script type="application/json" id="explorer-table">{table}</script>
"""

_CHOICE = """\
<fieldset>
<legend>{legend}</legend>
{options}
</fieldset>"""

_OPTION = """\
<label><input type="radio" name="{name}" value="{value}" data-json="{fact}"{checked}>
<span>{label}</span></label>"""

_CARD = """\
<article class="explorer-card" data-action="{action}" aria-labelledby="explorer-{action}">
<h3 id="explorer-{action}">{action}</h3>
<p class="explorer-verdict"><span aria-hidden="true" data-part="mark"></span>
<span data-part="verdict"></span></p>
<ul aria-label="Why it is refused" data-part="denials"></ul>
<p id="explorer-{action}-explanation" data-part="explanation"></p>
<div data-part="help">
<p><strong>Remedy:</strong> <span data-part="advice"></span></p>
<ol aria-label="The steps" data-part="remedy"></ol>
</div>
<button type="button" aria-describedby="explorer-{action}-explanation" data-part="take"></button>
</article>"""

#: The labels of options whose word alone is not clear enough.
_LABELS = {
    "none": "No Connection yet",
    "both": "both: a sandbox, connected with itself",
    "outsider": "outsider: neither of the two",
}


def _choice(name: str, legend: str, facts: Iterable[tuple[str, object]]) -> str:
    """A group of radio buttons, each with the table's value that it stands for."""
    options = [
        _OPTION.format(
            name=name,
            value=word,
            fact=escape(_compact(fact)),
            checked="" if index else " checked",
            label=escape(_LABELS.get(word, word)),
        )
        for index, (word, fact) in enumerate(facts)
    ]
    return _CHOICE.format(legend=legend, options="\n".join(options))


def _compact(value: object) -> str:
    """JSON as JavaScript's `JSON.stringify` writes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _statuses() -> Iterator[tuple[str, object]]:
    for status in dict.fromkeys(cell.status for cell in decision_table()):
        yield status or "none", status


def _parties() -> Iterator[tuple[str, object]]:
    """Every set of roles that an actor can hold, the outsider's last."""
    sets = dict.fromkeys(cell.roles for cell in decision_table())
    for roles in sorted(sets, key=lambda roles: not roles):
        yield who(roles), sorted(roles)


def _inline(value: object) -> str:
    """JSON that cannot end the element that contains it."""
    return json.dumps(value).replace("<", "\\u003c")


def page() -> str:
    """The form and the table."""
    choices = [
        _choice("status", "Status", _statuses()),
        _choice("role", "Who you are", _parties()),
    ]
    return _PAGE.format(
        choices="\n".join(choices),
        cards="\n".join(_CARD.format(action=action) for action in Action),
        table=_inline(table_rows()),
    )


class Explorer(SphinxDirective):
    """Inserts the form and the table. Takes no arguments."""

    def run(self) -> list[nodes.Node]:
        """The form and the table, for HTML only. Sphinx rebuilds them when the rules change."""
        for source in (__file__, lifecycle.__file__, policy.__file__):
            self.env.note_dependency(source)
        return [nodes.raw("", page(), format="html", classes=["explorer"])]


def add_files(
    app: Sphinx, _page: str, _template: str, _context: object, doctree: nodes.document | None
) -> None:
    """Load the script and the style sheet only on pages that have the form."""
    if doctree and any("explorer" in raw["classes"] for raw in doctree.findall(nodes.raw)):
        app.add_js_file("explorer.js", loading_method="defer")
        app.add_css_file("explorer.css")


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register with Sphinx."""
    app.add_directive("explorer", Explorer)
    app.connect("html-page-context", add_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
