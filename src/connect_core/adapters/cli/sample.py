"""What ``connect-core serve --demo`` has in its database, and the commands that it shows.

The guide's pair, ``org_ABC123`` to ``org_DEF456``, has no Connection, so that the guide's own
command creates it.
"""

from typing import TYPE_CHECKING, Final, NamedTuple

from connect_core import Actor, ConnectionService
from connect_core.adapters.sql import ApiKeys, SqlConnectionStore

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


class Sample(NamedTuple):
    """The tokens of the three organizations. The `repr` of this value leaves them out.

    Attributes:
        source: that of ``org_ABC123``, the source of the guide's Connection.
        destination: that of ``org_DEF456``, its destination.
        outsider: that of ``org_XYZ789``, which is no party to it.
    """

    source: str
    destination: str
    outsider: str

    def __repr__(self) -> str:
        return "Sample(...)"

    def described(self, url: str) -> str:
        """The text for people to read, with commands to paste, for a server at this URL."""
        create = GUIDES_COMMAND.replace(_GUIDES_HOST, url).replace(_GUIDES_TOKEN, self.source)
        return f"""\
Listening at {url}, on a temporary database that is removed at the end.
The description of the API: {url}/docs

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


def filled(engine: "Engine") -> Sample:
    """Put a key for each organization, and a Connection in each status, into an empty database."""
    from sqlalchemy.orm import Session

    keys = ApiKeys(engine, new_id=lambda prefix: prefix + organization.removeprefix("org_"))
    made: list[tuple[Actor, str]] = []
    for organization in ("org_ABC123", "org_DEF456", "org_XYZ789"):
        key, token = keys.create(organization, name="Demo")
        made.append((key.actor, token))
    (source, destination, outsider), tokens = zip(*made, strict=True)
    with Session(engine) as session, session.begin():
        service = ConnectionService(SqlConnectionStore(session))
        service.create(by=destination, destination=source.organization_id, name="Pending")
        active, _ = service.create(by=source, destination=outsider.organization_id, name="Active")
        service.activate(active.id, by=outsider)
        inactive, _ = service.create(
            by=outsider, destination=destination.organization_id, name="Inactive"
        )
        service.deactivate(inactive.id, by=destination)
    return Sample(*tokens)
