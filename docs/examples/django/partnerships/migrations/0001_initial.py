import connect_core.identifiers
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="ApiKey",
            fields=[
                ("digest", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("actor_id", models.CharField(max_length=255)),
                ("organization_id", models.CharField(max_length=255)),
            ],
        ),
        migrations.CreateModel(
            name="Partnership",
            fields=[
                (
                    "id",
                    models.CharField(
                        default=connect_core.identifiers.ConnectionId.mint,
                        editable=False,
                        max_length=255,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("source_organization_id", models.CharField(max_length=255)),
                ("destination_organization_id", models.CharField(max_length=255)),
                ("name", models.CharField(max_length=255, null=True)),
                ("status", models.CharField(default="pending", max_length=16)),
                ("scopes", models.JSONField()),
                ("version", models.PositiveIntegerField(default=1)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["destination_organization_id", "status"], name="inbound")
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("source_organization_id", "destination_organization_id"),
                        name="one_for_an_ordered_pair",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("status__in", ["pending", "active", "inactive"])),
                        name="known_status",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("source_organization_id", models.F("destination_organization_id")),
                            _negated=True,
                        ),
                        name="not_with_oneself",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Step",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("version", models.PositiveIntegerField()),
                ("actor_id", models.CharField(max_length=255)),
                ("decision", models.JSONField()),
                (
                    "partnership",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, to="partnerships.partnership"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("partnership", "version"), name="one_step_a_version"
                    )
                ],
            },
        ),
    ]
