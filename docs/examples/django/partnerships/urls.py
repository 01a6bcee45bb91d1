"""The addresses."""

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from connect_core import Action

from . import views


class Steps(StringConverter):
    """The actions that can be taken on a row."""

    regex = "|".join(action.value for action in Action if action is not Action.CREATE)


register_converter(Steps, "step")

urlpatterns = [
    path("partnerships", views.partnerships),
    path("partnerships/<uuid:id>", views.partnership),
    path("partnerships/<uuid:id>/inquiries", views.inquiries),
    path("partnerships/<uuid:id>/<step:action>", views.step),
]
handler404 = "partnerships.errors.not_found"
handler500 = "partnerships.errors.failed"
