"""Agents over HTTP: what machines call, and what their clients set. Routes are relative to /api/."""

from typing import Any

from django.urls import path
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents import (
    access,
    commands,
    configuration,
    events,
    heartbeats,
    polling,
    price_reports,
    registration,
)
from agents.models import Agent, Instance
from agents.serializers import (
    EventsSerializer,
    ExecutedSerializer,
    HeartbeatSerializer,
    MachineSerializer,
    PriceReportSerializer,
    PriceReportsSerializer,
)
from clients import tokens
from clients.access import IsAgentSide, IsClientSide, caller_of, parse_id
from spotopt.lib.errors import BadInput
from spotopt.lib.times import rfc3339


def machine(request: Request, agent_id: str, instance_id: str | None) -> Instance:
    """The machine that a call is about, with its agent."""
    caller = caller_of(request)
    agent = access.agent_for(caller, agent_id, kinds=access.MACHINES)
    return access.machine_for(caller, agent, instance_id=instance_id)


def body_of(request: Request) -> dict[str, Any]:
    """The request's JSON object. Raises BadInput for any other JSON."""
    if not isinstance(request.data, dict):
        raise BadInput.field("body", "Must be a JSON object.")
    return request.data


def read(form: Any) -> Any:
    """The serializer, checked."""
    form.is_valid(raise_exception=True)
    return form


class AgentSide(APIView):
    """What machines call, and their client's software for them."""

    permission_classes = [IsAgentSide]

    def agent(self, request: Request, agent_id: str) -> Agent:
        """Looked up before the body is read: a stranger learns nothing from its errors."""
        return access.agent_for(caller_of(request), agent_id, kinds=access.MACHINES)


class Heartbeat(AgentSide):
    """Endpoint 2."""

    def post(self, request: Request, agent_id: str) -> Response:
        """200; says whether commands wait."""
        agent = self.agent(request, agent_id)
        form = read(HeartbeatSerializer(data=request.data))
        instance = access.machine_for(
            caller_of(request), agent, instance_id=form.validated_data.get("instance_id")
        )
        now = timezone.now()
        heartbeats.record(instance=instance, beat=form.beat(), now=now)
        return Response(
            {
                "status": "success",
                "has_pending_commands": commands.waiting(instance, now=now),
                "role": instance.role,
                "server_time": rfc3339(now),
            }
        )


class Config(AgentSide):
    """Endpoint 3."""

    def get(self, request: Request, agent_id: str) -> Response:
        """200 with the settings."""
        instance = machine(request, agent_id, request.query_params.get("instance_id"))
        return Response(configuration.read(instance.agent, role=instance.role))


class PendingCommands(AgentSide):
    """Endpoint 4 for those who don't wait; who does is served by `agents.consumers`."""

    def get(self, request: Request, agent_id: str) -> Response:
        """200 with the open commands, the most urgent first."""
        instance = machine(request, agent_id, request.query_params.get("instance_id"))
        polling.wait_seconds(request.query_params)
        return Response(polling.answer(instance, now=timezone.now()))


class Executed(AgentSide):
    """Endpoint 5."""

    def post(self, request: Request, agent_id: str, command_id: str) -> Response:
        """200, also for the second time."""
        caller = caller_of(request)
        agent = self.agent(request, agent_id)
        key = parse_id(command_id, "command")
        form = read(ExecutedSerializer(data=request.data))
        told = form.validated_data
        named = told.get("instance_id")
        # A client's software speaks for all machines of the agent unless it names one.
        instance = (
            access.machine_for(caller, agent, instance_id=named)
            if named or caller.kind == "agent"
            else None
        )
        commands.executed(
            agent=agent,
            instance=instance,
            command_id=key,
            success=told["success"],
            result=told.get("result") or {},
            error=form.error_text(),
            now=timezone.now(),
        )
        return Response({"status": "success", "message": "Command marked as executed"})


class PricingReport(AgentSide):
    """Endpoint 6: one report, or `{"reports": […]}`."""

    def post(self, request: Request, agent_id: str) -> Response:
        """200 once it is stored."""
        caller = caller_of(request)
        agent = self.agent(request, agent_id)
        many = "reports" in body_of(request)
        form = read((PriceReportsSerializer if many else PriceReportSerializer)(data=request.data))
        reports = form.batch() if many else [form.report()]
        named = form.validated_data.get("instance_id")
        instance = access.machine_for(caller, agent, instance_id=named)
        if not named and caller.kind != "agent":
            replica = all(report.is_replica for report in reports)
            instance = price_reports.reporter(agent, instance, is_replica=replica)
        flags = price_reports.accept(
            agent=agent, instance=instance, reports=reports, now=timezone.now()
        )
        answer: dict[str, Any] = {
            "status": "success",
            "processed": True,
            "data_quality_flag": flags[-1],
        }
        if many:
            answer["results"] = [{"data_quality_flag": flag} for flag in flags]
        return Response(answer)


class Events(AgentSide):
    """What the agent saw on its machine."""

    def post(self, request: Request, agent_id: str) -> Response:
        """200 with how many were new."""
        agent = self.agent(request, agent_id)
        form = read(EventsSerializer(data=request.data))
        instance = access.machine_for(
            caller_of(request), agent, instance_id=form.validated_data.get("instance_id")
        )
        kept = events.accept(instance=instance, events=form.batch(), now=timezone.now())
        return Response(
            {"status": "success", "accepted": kept.accepted, "duplicates": kept.duplicates}
        )


class RotateToken(AgentSide):
    """A new token for a machine; its earlier ones last ten minutes more."""

    def post(self, request: Request, agent_id: str) -> Response:
        """200 with the token, shown this once."""
        agent = self.agent(request, agent_id)
        form = read(MachineSerializer(data=request.data or {}))
        instance = access.machine_for(
            caller_of(request), agent, instance_id=form.validated_data.get("instance_id")
        )
        text = tokens.issue_agent(agent.client, agent.pk, instance.instance_id, timezone.now())
        response = Response(
            {"status": "success", "agent_token": text, "instance_id": instance.instance_id}
        )
        response["Cache-Control"] = "no-store"
        return response


class OneAgent(APIView):
    """An agent as such."""

    permission_classes = [IsClientSide]

    def delete(self, request: Request, agent_id: str) -> Response:
        """200: no longer managed; its primary runs on."""
        agent = access.agent_for(caller_of(request), agent_id, write=True, kinds=access.PEOPLE)
        primary = registration.withdraw(agent=agent, now=timezone.now())
        return Response(
            {
                "status": "success",
                "message": f"{primary.instance_id} runs on, unmanaged."
                if primary
                else "The agent is no longer managed.",
                "instance_id": primary.instance_id if primary else None,
            }
        )


class Settings(APIView):
    """Endpoints 38 and 39: any settings of an agent."""

    permission_classes = [IsClientSide]
    message = "Settings updated successfully"

    def post(self, request: Request, agent_id: str) -> Response:
        """200 once all of it has been set."""
        change(request, agent_id)
        return Response({"status": "success", "message": self.message})


class ConfigUpdate(Settings):
    """Endpoint 39."""

    message = "Configuration updated"


class ToggleEnabled(APIView):
    """Endpoint 37."""

    permission_classes = [IsClientSide]

    def post(self, request: Request, agent_id: str) -> Response:
        """200 with what it is now."""
        agent = change(request, agent_id, only="enabled")
        return Response({"status": "success", "enabled": agent.enabled})


def change(request: Request, agent_id: str, *, only: str = "") -> Agent:
    """Set what the body says; with `only`, nothing but that one setting, which has to be there."""
    caller = caller_of(request)
    agent = access.agent_for(caller, agent_id, write=True, kinds=access.PEOPLE)
    changes = body_of(request)
    if only:
        if only not in changes:
            raise BadInput.field(only, "This field is required.")
        if extra := next((name for name in changes if name != only), None):
            raise BadInput.field(extra[:80], "There is no such setting here.")
    return configuration.update(agent=agent, changes=changes, by=caller.name, now=timezone.now())


urlpatterns = [
    path("agents/<str:agent_id>", OneAgent.as_view()),
    path("agents/<str:agent_id>/heartbeat", Heartbeat.as_view()),
    path("agents/<str:agent_id>/config", Config.as_view()),
    path("agents/<str:agent_id>/pending-commands", PendingCommands.as_view()),
    path("agents/<str:agent_id>/commands/<str:command_id>/executed", Executed.as_view()),
    path("agents/<str:agent_id>/pricing-report", PricingReport.as_view()),
    path("agents/<str:agent_id>/events", Events.as_view()),
    path("agents/<str:agent_id>/rotate-token", RotateToken.as_view()),
    path("client/agents/<str:agent_id>/toggle-enabled", ToggleEnabled.as_view()),
    path("client/agents/<str:agent_id>/settings", Settings.as_view()),
    path("client/agents/<str:agent_id>/config", ConfigUpdate.as_view()),
]
