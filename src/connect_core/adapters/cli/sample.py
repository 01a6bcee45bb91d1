"""What ``connect-core serve --demo`` has in its database, and the commands that it shows.

The guide's pair, ``org_ABC123`` to ``org_DEF456``, has no Connection, so that the guide's own
command creates it.
"""

from typing import TYPE_CHECKING, Final, NamedTuple

from connect_core import Actor, ConnectionService
from connect_core.adapters.sql import ApiKeys, BrowserSessions, SqlConnectionStore

if TYPE_CHECKING:
    from sqlalchemy import Engine

#: The command of the guide, word for word.
GUIDES_COMMAND: Final = """\
curl -X POST https://api.withpersona.com/api/v1/connect/connections \\
  -H "Authorization: Bearer <token>" \\
  -H "Content-Type: application/json" \\
  -d '{
    "data": {
      "attributes": {
        "destination-organization-id": "org_DEF456",
        "name": "Partner Connection"
      }
    }
  }'
"""
_GUIDES_HOST: Final = "https://api.withpersona.com"
_GUIDES_TOKEN: Final = "<token>"  # noqa: S105  # the guide's placeholder


#: The names of the organizations.
NAMES: Final = {
    "org_ABC123": "Example Bank",
    "org_DEF456": "Example Lender",
    "org_XYZ789": "Example Insurer",
}


class Sample(NamedTuple):
    """The tokens of the three organizations. The `repr` of this value leaves them out.

    Attributes:
        source: that of ``org_ABC123``, the source of the guide's Connection.
        destination: that of ``org_DEF456``, its destination.
        outsider: that of ``org_XYZ789``, which is no party to it.
        source_link: the token of a sign-in link for somebody at the source.
        destination_link: the same for the destination.
    """

    source: str
    destination: str
    outsider: str
    source_link: str
    destination_link: str

    def __repr__(self) -> str:
        return "Sample(...)"

    def described(self, url: str) -> str:
        """The text for people to read, with commands to paste, for a server at this URL."""
        create = GUIDES_COMMAND.replace(_GUIDES_HOST, url).replace(_GUIDES_TOKEN, self.source)
        other = _other_name(url)
        return f"""\
Listening at {url}, on a temporary database that is removed at the end.

The Dashboard, for both sides. Open each link in a window of its own:
  Example Bank    {url}/sign-in/{self.source_link}
  Example Lender  {other}/sign-in/{self.destination_link}

The API is described at {url}/docs
The tokens, which stand for an organization each:
  org_ABC123  {self.source}
  org_DEF456  {self.destination}
  org_XYZ789  {self.outsider}

Create the guide's Connection, from org_ABC123 to org_DEF456:

{create}
List the Connections of org_DEF456:

curl {url}/api/v1/connect/connections \\
  -H "Authorization: Bearer {self.destination}"
"""


def _other_name(url: str) -> str:
    """The same address by another name, for which a browser has cookies of its own."""
    return url.replace("//127.0.0.1:", "//localhost:").replace("//[::1]:", "//localhost:")


def filled(engine: "Engine") -> Sample:
    """Put a key for each organization, and a Connection in each status, into an empty database."""
    from sqlalchemy.orm import Session

    keys = ApiKeys(engine, new_id=lambda prefix: prefix + organization.removeprefix("org_"))
    made: list[tuple[Actor, str]] = []
    for organization in NAMES:
        key, token = keys.create(organization, name="Demo")
        made.append((key.actor, token))
    (source, destination, outsider), tokens = zip(*made, strict=True)
    with Session(engine) as session, session.begin():
        service = ConnectionService(SqlConnectionStore(session))
        service.create(by=destination, destination=source.organization_id, name="Credit decisions")
        active, _ = service.create(
            by=source, destination=outsider.organization_id, name="Claims checks"
        )
        service.activate(active.id, by=outsider)
        inactive, _ = service.create(
            by=outsider, destination=destination.organization_id, name="Address checks"
        )
        service.deactivate(inactive.id, by=destination)
    sessions = BrowserSessions(engine)
    links: list[str] = []
    for name, organization in (("Ada", "org_ABC123"), ("Grace", "org_DEF456")):
        links.append(sessions.link(keys.create(organization, name=name, actor="user").key))
    return Sample(*tokens, *links)
