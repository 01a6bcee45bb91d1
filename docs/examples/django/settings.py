"""The settings of the example: one application, SQLite, no sessions, no templates."""

import os

SECRET_KEY = os.environ.get("SECRET_KEY", "for demonstration only")
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
INSTALLED_APPS = ["partnerships"]
MIDDLEWARE = ["partnerships.errors.Refusals"]
ROOT_URLCONF = "partnerships.urls"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("DATABASE", "partnerships.db"),
        # Readers and the writer do not wait for each other, and writers take turns.
        "OPTIONS": {"init_command": "PRAGMA journal_mode = WAL", "transaction_mode": "IMMEDIATE"},
    }
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024  # bytes of a body; the guide's request has about 150
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
