import uuid

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Organization",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("name", models.CharField(max_length=255)),
            ],
        ),
        migrations.CreateModel(
            name="ApiKey",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("digest", models.CharField(max_length=64, unique=True)),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, to="partnerships.organization"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Partnership",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("name", models.CharField(max_length=255, null=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("OFFERED", "Offered"),
                            ("RUNNING", "Running"),
                            ("ENDED", "Ended"),
                        ],
                        default="OFFERED",
                        max_length=16,
                    ),
                ),
                ("scopes", models.JSONField()),
                ("version", models.PositiveIntegerField(default=1)),
                (
                    "from_org",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="partnerships.organization",
                    ),
                ),
                (
                    "to_org",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="partnerships.organization",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["to_org", "state"], name="inbound")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("from_org", "to_org"), name="one_for_an_ordered_pair"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["OFFERED", "RUNNING", "ENDED"])),
                        name="known_state",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("from_org", models.F("to_org")), _negated=True),
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
                ("actor_id", models.UUIDField()),
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
