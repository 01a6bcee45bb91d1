"""Django, made ready once: its settings are those of the example service."""

import os
import time
from functools import cache

import django


@cache
def set_up() -> None:
    """Make Django ready, and leave the process's time zone as it was."""
    zone = os.environ.get("TZ")
    os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
    django.setup()
    del os.environ["DJANGO_SETTINGS_MODULE"], os.environ["TZ"]
    if zone is not None:
        os.environ["TZ"] = zone
    time.tzset()
