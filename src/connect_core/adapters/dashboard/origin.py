"""Where a form was sent from: forms of other sites are refused.

A browser says so itself, in ``Sec-Fetch-Site`` or, if it is older or the address has no TLS, in
``Origin``. Neither can be set by a page. A form from which both are missing is refused as well: no
current browser sends one. So forms need no secret against forgery.
"""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit

from connect_core.adapters.http.refusals import RequestError

#: What ``Sec-Fetch-Site`` says of forms of ours, and of what a person has typed or opened.
_OURS: Final = frozenset({"same-origin", "none"})


def require_same_origin(headers: Mapping[str, str]) -> None:
    """Refuse a form that was sent from elsewhere.

    Raises:
        RequestError: it was, or that cannot be told, 403.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        if site in _OURS:
            return
    elif origin is not None and _split(origin).netloc == headers.get("host"):
        return
    raise RequestError(
        403,
        "cross_site",
        "The form was not sent from this page, and nothing was changed. Open the page here, and"
        " send it anew.",
    )


def is_on_this_machine(headers: Mapping[str, str]) -> bool:
    """Whether a form was sent without TLS, on the machine that serves it.

    The origin is what the browser sees, whatever proxies are in between. If it is missing, the
    answer is no.
    """
    origin = _split(headers.get("origin", ""))
    return origin.scheme == "http" and is_loopback(origin)


def is_loopback(address: SplitResult) -> bool:
    """Whether an address is one of this machine."""
    name = address.hostname or ""
    if name == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def is_insecure(headers: Mapping[str, str]) -> bool:
    """Whether a form crossed a network without TLS, as far as the browser says."""
    origin = _split(headers.get("origin", ""))
    return origin.scheme == "http" and not is_loopback(origin)


def host_is_loopback(headers: Mapping[str, str]) -> bool:
    """Whether the address that was asked for is one of this machine."""
    return is_loopback(_split(f"//{headers.get('host', '')}"))


def _split(address: str) -> SplitResult:
    try:
        return urlsplit(address)
    except ValueError:  # an invalid IPv6 address, for example
        return SplitResult("", "", "", "", "")
