"""``manage.py new_key ID`` makes a key for the organization with this id, and shows it once."""

from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from partnerships.authentication import new_key
from partnerships.models import Organization


class Command(BaseCommand):
    """Makes an API key."""

    help = "Make an API key, and print it. It is not kept."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the organization that the key acts for."""
        parser.add_argument("organization_id", type=UUID)

    def handle(self, *_: object, **options: UUID) -> str:
        """Make the key, and keep its digest."""
        organization = Organization.objects.filter(pk=options["organization_id"]).first()
        if organization is None:
            raise CommandError(f"there is no organization {options['organization_id']}")
        return new_key(organization)
