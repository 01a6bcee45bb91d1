"""Command lines that need no database, in every output format."""

DECIDE = ["decide", "--status", "active", "--action", "reactivate", "--role", "source"]
DIAGRAMS = [["diagram", "--format", name] for name in ("text", "mermaid", "dot")]
MODULE = ["table", "--format", "typescript"]
ANSWERS = [["demo"], ["table"], MODULE, ["diagram"], *DIAGRAMS, DECIDE, ["--version"]]
CHANGES = ["create", "activate", "deactivate", "reactivate"]
QUESTIONS = ["list", "show", "history", "check"]
COMMANDS = [
    *CHANGES,
    *QUESTIONS,
    "import",
    "export",
    "serve",
    "demo",
    "table",
    "diagram",
    "decide",
    "keys",
    "conformance",
]
HELP = [["--help"], *([name, "--help"] for name in COMMANDS)]
JSON = [[*command, "--json"] for command in (["demo"], ["table"], *DIAGRAMS, DECIDE)]
EVERYTHING = [[], *ANSWERS, *HELP, *JSON]
