"""``manage.py new_key api_ABC123 org_ABC123`` makes a key for an actor, and shows it once."""

from django.core.management.base import BaseCommand, CommandParser
from partnerships.authentication import new_key

from connect_core import Actor


class Command(BaseCommand):
    """Makes an API key."""

    help = "Make an API key, and print it. It is not kept."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the actor that the key stands for."""
        parser.add_argument("actor_id")
        parser.add_argument("organization_id")

    def handle(self, *_: object, **options: str) -> str:
        """Make the key, and keep its digest."""
        actor = Actor(id=options["actor_id"], organization_id=options["organization_id"])
        return new_key(actor)
