"""Addresses of the pages."""

from django.urls import path

from spotopt.dashboard.pages import actions, agent, chooser, overview

AGENT = "c/<uuid:client_id>/agents/<uuid:agent_id>"
urlpatterns = [
    path("", chooser.start, name="start"),
    path("clients", chooser.clients, name="clients"),
    path("c/<uuid:client_id>/", overview.overview, name="overview"),
    path(f"{AGENT}/", agent.agent, name="agent"),
    path(f"{AGENT}/standby", actions.create, name="create_standby"),
    path(f"{AGENT}/standby/<uuid:replica_id>/promote", actions.promote, name="promote_standby"),
    path(f"{AGENT}/standby/<uuid:replica_id>/delete", actions.delete, name="delete_standby"),
]
