"""The guide's story through the pages, on every database."""

import pytest
from dashboards import Browser, Host
from sqlalchemy import Engine

from connect_core.adapters.sql import Transactions


@pytest.fixture
def host(engine: Engine) -> Host:
    return Host(transactions=Transactions(engine))


def sent(browser: Browser, address: str, **fields: str) -> str:
    """Where a form leads that was opened and sent."""
    return browser.post(address, {**browser.get(address).fields(), **fields}).location


def statuses(host: Host) -> list[str]:
    """What the list says of each Connection, to both parties."""
    lists = [
        host.browser(name).get("/connections").all("main .status") for name in ("ada", "grace")
    ]
    assert lists[0] == lists[1]
    return lists[0]


def test_a_life(host: Host) -> None:
    ada, grace = host.browser("ada"), host.browser("grace")
    created = sent(ada, "/connections/new", destination="org_DEF456", name="Löhne", scope="a.read")
    at = created.partition("?")[0]
    for browser, step, status in (
        (grace, "activate", "Active"),
        (ada, "deactivate", "Inactive"),
        (ada, "reactivate", "Pending"),
        (grace, "activate", "Active"),
        (grace, "deactivate", "Inactive"),
    ):
        sent(browser, f"{at}/{step}")
        assert statuses(host) == [status]
    assert len(ada.get(at).all(".timeline .event")) == 6
    assert ada.get(f"{at}/activate").buttons == []
    assert host.browser("stranger").get(at).status == 404


def test_a_form_that_comes_twice_and_one_that_comes_late(host: Host) -> None:
    ada, grace = host.browser("ada"), host.browser("grace")
    at = sent(ada, "/connections/new", destination="org_DEF456", scope="a.read").partition("?")[0]
    late = ada.get(f"{at}/deactivate").fields()
    form = grace.get(f"{at}/activate").fields()
    first, again = (grace.post(f"{at}/activate", form) for _ in range(2))
    assert first.location == again.location
    assert ada.post(f"{at}/deactivate", late).status == 409
    assert statuses(host) == ["Active"]


def test_what_is_looked_for(host: Host) -> None:
    ada = host.browser("ada")
    for organization, name in (("org_DEF456", "Loans"), ("org_XYZ789", "LÖHNE")):
        sent(ada, "/connections/new", destination=organization, name=name, scope="a.read")
    for text, found in (("loans", 1), ("löhne", 0), ("hne", 1), ("lender", 1), ("example", 2)):
        assert len(ada.get(f"/connections?q={text}").all("main .status")) == found, text
