"""Django's entry for the project's own commands and pages."""

from django.apps import AppConfig


class Config(AppConfig):
    """The composition root's configuration."""

    name = "spotopt"
