"""How the policy reads our table: the names of its columns, its states, and our words for it all.

The rules themselves are in connect-core.
"""

from typing import Final

from django.db import models

from connect_core import RowPolicy, Status, Wording


class State(models.TextChoices):
    """The states of a partnership, as they have always been stored."""

    OFFERED = "OFFERED"
    RUNNING = "RUNNING"
    ENDED = "ENDED"


#: What we call things. The other phrases are connect-core's.
WORDING: Final = Wording(
    connection="partnership",
    source="the giving organization",
    destination="the receiving organization",
    pending="offered",
    active="running",
    inactive="ended",
    name_another="Name another organization.",
)
POLICY: Final = RowPolicy(
    source="from_org_id",
    destination="to_org_id",
    status="state",
    statuses={
        Status.PENDING: State.OFFERED,
        Status.ACTIVE: State.RUNNING,
        Status.INACTIVE: State.ENDED,
    },
    wording=WORDING,
)
