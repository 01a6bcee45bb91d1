"""``manage.py new_organization "Example Bank"`` makes an organization, and prints its id."""

from django.core.management.base import BaseCommand, CommandParser
from partnerships.models import Organization


class Command(BaseCommand):
    """Makes an organization."""

    help = "Make an organization, and print its id."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the organization's name."""
        parser.add_argument("name")

    def handle(self, *_: object, **options: str) -> str:
        """Make the organization."""
        return str(Organization.objects.create(name=options["name"]).pk)
