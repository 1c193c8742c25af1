"""Django's entry for this app."""

from django.apps import AppConfig


class Config(AppConfig):
    """The app's configuration."""

    name = "clients"
