"""Resolves the names in docstrings, and adjusts the signatures that the reference shows.

In a docstring, public names become links, and all other names stay as they are written.

Docstrings put names between single backticks: public names, but also parameters, values and names
of other libraries. Public names are documented under `connect_core`, or under the module from which
they are imported, while annotations name the module that defines them.
"""

import re
from collections.abc import Iterable, Iterator
from enum import Enum
from importlib import import_module
from pkgutil import iter_modules
from typing import Final, cast, get_type_hints

from docutils import nodes
from pydantic import BaseModel
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.domains.python import PythonDomain, PyXRefRole
from sphinx.environment import BuildEnvironment
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docfields import Field
from sphinx.util.typing import ExtensionMetadata, stringify_annotation

import connect_core
from connect_core import conformance

#: Where each public name of the package and of the kit is documented.
_PUBLIC = {name: f"conformance.{name}" for name in conformance.__all__} | {
    name: name for name in connect_core.__all__
}


#: Defaults that are functions or private names.
_OPAQUE: Final = re.compile(r"(?<== )(?:lambda\b[^:]*: \w+|_\w+)")
#: A name with its module, in the type of an attribute.
_QUALIFIED: Final = re.compile(r"(?<![\w.~])(?:\w+\.)+(?=\w)")


class PublicName(PyXRefRole):
    """The role of text between single backticks: a link if the name is documented."""

    def process_link(
        self,
        env: BuildEnvironment,
        refnode: nodes.Element,
        has_explicit_title: bool,
        title: str,
        target: str,
    ) -> tuple[str, str]:
        """Mark the reference as optional, so that a missing target is no error."""
        refnode["optional"] = True
        refnode["reftype"] = "obj"
        return super().process_link(env, refnode, has_explicit_title, title, target)


def places(target: str) -> Iterator[str]:
    """The places where a name may be documented: as written, or by its last part."""
    inner = target.removeprefix("connect_core.")
    first, _, member = inner.partition(".")
    last = inner.rpartition(".")[2]
    if first in _PUBLIC:
        yield ".".join(filter(None, ("connect_core", _PUBLIC[first], member)))
    if inner != target and last in _PUBLIC:
        yield f"connect_core.{_PUBLIC[last]}"


def resolve(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.Element | None:
    """Resolve a reference of the Python domain that Sphinx could not resolve.

    Names of other libraries stay text: linking to their documentation needs the network.
    """
    if node.get("refdomain") != "py":
        return None
    target: str = node["reftarget"]
    for place in places(target):
        found = env.domains.python_domain.resolve_xref(
            env, node["refdoc"], app.builder, "obj", place, node, content
        )
        if found is not None:
            return found
    is_variable = target.rpartition(".")[2].startswith("_")  # a type variable's name says nothing
    stays = node.get("optional") or is_variable or not target.startswith("connect_core")
    return content if stays else None


def signature(
    app: Sphinx,
    kind: str,
    name: str,
    thing: object,
    options: object,
    arguments: str | None,
    returned: str | None,
) -> tuple[str | None, str | None]:
    """Show a model with its fields, and enumerations and protocols without arguments.

    A default that says nothing to readers, such as a private name, is shown as three dots.
    """
    uncalled = bool(getattr(thing, "_is_protocol", False))
    arguments = arguments and _OPAQUE.sub("...", arguments).replace("frozenset({})", "frozenset()")
    if not isinstance(thing, type):
        return arguments, returned
    if issubclass(thing, BaseModel):
        return f"(*, {', '.join(_fields(thing))})", None
    return ("" if uncalled or issubclass(thing, Enum) else arguments), returned


def sentences(
    app: Sphinx, kind: str, name: str, thing: object, options: object, lines: list[str]
) -> None:
    """Describe variables by their comments, and keep Napoleon from inventing types.

    Napoleon takes the words before a colon in the first line for the type of the attribute. An
    empty comment in that place prevents this; an empty line does not.
    """
    if kind == "data":
        lines[:] = _comment(name) or lines
    if kind in ("attribute", "data", "property"):
        lines[:0] = ["..", ""]


def short_types(
    app: Sphinx, kind: str, name: str, thing: object, options: object, lines: list[str]
) -> None:
    """Show the types of attributes without their modules, as signatures do.

    Napoleon has put them there by now, and with the modules that define them, which are not public.
    """
    for place, line in enumerate(lines):
        if line.startswith(":vartype "):
            _, field, types = line.split(":", 2)
            lines[place] = f":{field}:" + _QUALIFIED.sub(lambda match: f"~{match[0]}", types)


def _comment(name: str) -> list[str] | None:
    """The comment on a variable that a package exports from one of its modules."""
    package, _, variable = name.rpartition(".")
    for module in iter_modules(import_module(package).__path__):
        comments = ModuleAnalyzer.for_module(f"{package}.{module.name}").find_attr_docs()
        if ("", variable) in comments:
            return comments["", variable]
    return None


def _fields(model: type[BaseModel]) -> Iterator[str]:
    """The fields as keyword arguments, without pydantic's metadata on their types."""
    annotations = {name: field.annotation for name, field in model.model_fields.items()}
    types = get_type_hints(type(model.__name__, (), {"__annotations__": annotations}))
    for name, field in model.model_fields.items():
        given = "..." if field.default_factory else repr(field.default)
        default = "" if field.is_required() else f" = {given}"
        yield f"{name}: {stringify_annotation(types[name], 'smart')}{default}"


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register with Sphinx."""
    for directive in PythonDomain.directives.values():
        for field in cast("Iterable[Field]", getattr(directive, "doc_field_types", ())):
            if field.name == "variable":  # Sphinx's name for attributes
                field.label = "Attributes"
    app.add_role_to_domain("py", "name", PublicName())
    app.connect("autodoc-process-signature", signature)
    app.connect("autodoc-process-docstring", sentences, priority=400)
    app.connect("autodoc-process-docstring", short_types, priority=600)
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
