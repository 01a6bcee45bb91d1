"""x"""

from databases import Backend
from support import OUR_KEY


def test_x(stored: Backend) -> None:
    with stored.service() as s:
        c, _ = s.create(by=OUR_KEY, destination="org_B")
    with stored.service() as s:
        assert s.get(c.id, by=OUR_KEY) == c
