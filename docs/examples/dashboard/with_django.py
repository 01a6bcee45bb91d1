# ruff: noqa: E402  # Django's models can be imported only after its set-up
"""The Dashboard beside Django, behind Django's own sign-in, in a project of one file.

Run it from the root of the repository::

    uv run --group web uvicorn --app-dir docs/examples/dashboard with_django:application

Open http://127.0.0.1:8000/partners/ and sign in as ``alice`` of Example Bank (org_ABC123), ``bob``
of Example Lender (org_DEF456) or ``carol`` of Example Broker, each with the password ``demo``. All
of it is in the SQLite file ``with_django.db``, or in the one that ``DATABASE_URL`` names.
"""

import asyncio
import os
from collections.abc import Callable, Collection, Mapping
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import django
from django.conf import settings
from sqlalchemy import make_url
from starlette.requests import Request

from connect_core import Actor
from connect_core.adapters.dashboard import Visitor, create_dashboard
from connect_core.adapters.sql import Transactions, open_engine

url = make_url(os.environ.get("DATABASE_URL", "sqlite:///with_django.db"))
PAGE = '<!DOCTYPE html><html lang="en"><title>A host</title>'
HOME = """{% if user.is_authenticated %}<p>Signed in as {{ user }}.
<p><a href="/partners/">Partners</a><form method="post" action="/logout/">{% csrf_token %}
<button>Sign out</button></form>{% else %}<p><a href="/login/">Sign in</a>{% endif %}"""
LOGIN = """<form method="post">{% csrf_token %}{{ form }}
<input type="hidden" name="next" value="{{ next }}"><button>Sign in</button></form>"""
TEMPLATES = {"home.html": PAGE + HOME, "registration/login.html": PAGE + LOGIN}
LOADERS = [("django.template.loaders.locmem.Loader", TEMPLATES)]
ENGINE = "django.template.backends.django.DjangoTemplates"
APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"]
SQLITE = {"ENGINE": "django.db.backends.sqlite3", "NAME": url.database}
settings.configure(
    SECRET_KEY=os.environ.get("SECRET_KEY", "for demonstration only"),
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    INSTALLED_APPS=[*APPS, __name__],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    ROOT_URLCONF=__name__,
    DATABASES={"default": {**SQLITE, "OPTIONS": {"transaction_mode": "IMMEDIATE"}}},
    MIGRATION_MODULES={__name__: None},
    TEMPLATES=[{"BACKEND": ENGINE, "OPTIONS": {"loaders": LOADERS}}],
    LOGIN_REDIRECT_URL="/",
    LOGOUT_REDIRECT_URL="/",
)  # with TLS, also SESSION_COOKIE_SECURE and CSRF_COOKIE_SECURE
django.setup()

from django.contrib.auth import get_user, views
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.core.asgi import get_asgi_application
from django.core.management import call_command
from django.db import close_old_connections, connection, models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path

P = ParamSpec("P")
T = TypeVar("T")


class Organization(models.Model):
    """An organization."""

    id: "models.CharField[str, str]" = models.CharField(primary_key=True, max_length=255)
    name: "models.CharField[str, str]" = models.CharField(max_length=100)


class Member(models.Model):
    """The organization that a user acts for."""

    user: "models.OneToOneField[User, User]" = models.OneToOneField(User, models.CASCADE)
    organization: "models.ForeignKey[Organization, Organization]" = models.ForeignKey(
        Organization, models.CASCADE
    )


def home(request: HttpRequest) -> HttpResponse:
    """The home page, with a link to the Dashboard."""
    return render(request, "home.html", {"user": request.user})


urlpatterns = [
    path("", home),
    path("login/", views.LoginView.as_view()),
    path("logout/", views.LogoutView.as_view()),
]

# --- The Dashboard -------------------------------------------------------------------------------


def in_thread(function: Callable[P, T]) -> Callable[P, T]:
    """Open and close connections as Django does around a request; this is called in a thread."""

    @wraps(function)
    def closing(*args: P.args, **kwargs: P.kwargs) -> T:
        close_old_connections()
        try:
            return function(*args, **kwargs)
        finally:
            close_old_connections()

    return closing


@in_thread
def authenticate(request: Request) -> Visitor | None:
    """Who is signed in, by Django's own session."""
    asked = HttpRequest()
    asked.session = SessionStore(request.cookies.get(settings.SESSION_COOKIE_NAME))
    user = get_user(asked)
    member = Member.objects.select_related("organization").filter(user_id=user.pk).first()
    if member is None:
        return None
    actor = Actor(id=f"usr_{user.pk}", organization_id=member.organization.id)
    return Visitor(actor, user.get_username())


@in_thread
def describe(ids: Collection[str], _: Actor) -> Mapping[str, str]:
    """The names of organizations, all in one query."""
    return dict(Organization.objects.filter(id__in=ids).values_list("id", "name"))


@in_thread
def search(text: str, _: Actor) -> Collection[str]:
    """The ids of at most 25 organizations with this text in their names."""
    found = Organization.objects.filter(name__icontains=text).order_by("name")
    return list(found.values_list("id", flat=True)[:25])


dashboard = create_dashboard(
    authenticate=authenticate,
    transactions=Transactions(open_engine(url)),
    describe=describe,
    search=search,
    sign_in="/login/",
    links={"Home": "/"},
)
django_application = get_asgi_application()


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """The Dashboard below /partners/, and Django everywhere else."""
    if scope["type"] == "lifespan":
        await asyncio.to_thread(create)
        await dashboard(scope, receive, send)
    elif f"{scope['path']}/".startswith("/partners/"):
        await dashboard({**scope, "root_path": "/partners"}, receive, send)
    else:
        await django_application(scope, receive, send)


@in_thread
def create() -> None:
    """Create the tables and, FOR DEMONSTRATION ONLY, a user of each of three organizations."""
    call_command("migrate", verbosity=0)
    there = connection.introspection.table_names()
    with connection.schema_editor() as editor:
        for model in (Organization, Member):
            if model._meta.db_table not in there:
                editor.create_model(model)
    demo = [
        ("alice", "org_ABC123", "Example Bank"),
        ("bob", "org_DEF456", "Example Lender"),
        ("carol", "org_GHI789", "Example Broker"),
    ]
    for user, organization_id, name in demo if not User.objects.exists() else ():
        organization = Organization.objects.create(id=organization_id, name=name)
        made = User.objects.create_user(user, password="demo")  # noqa: S106  # of a demonstration
        Member.objects.create(user=made, organization=organization)
