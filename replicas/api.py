"""Endpoints of the emergency path and of replicas: numbers 1, 7 to 14 and 26."""

from datetime import datetime, timedelta
from typing import Any

from django.urls import path
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from agents import access
from agents.models import Instance
from clients import access as client_access
from clients.access import caller_of
from clients.auth import SessionAuthentication
from replicas import departures, enrolment, estimates, lifecycle, requests, sef, serializers
from replicas.models import InterruptionEvent, Replica
from spotopt.lib import pagination
from spotopt.lib.errors import BadInput
from spotopt.lib.times import rfc3339

Action = InterruptionEvent.Action
AGENT_CHANNEL = InterruptionEvent.Channel.AGENT


class Register(APIView):
    """1: a machine enrols; a launched one becomes its slot's standby, and may be promoted on the spot."""

    authentication_classes = [enrolment.TokenInBody, SessionAuthentication]

    def post(self, request: Request) -> Response:
        """201 for a new machine, 200 for one that is known."""
        answer = enrolment.enrol(caller=caller_of(request), body=request.data, clock=timezone.now)
        return Response(answer.body, status=201 if answer.created else 200)


def _signalled(
    request: Request, agent_id: str, form: BaseSerializer[Any]
) -> tuple[Instance, dict[str, Any]]:
    """Whose signal it is, and what it says. A fenced machine may repeat its own: it gets the first answer.

    The agent is looked up before the body is read: a stranger learns nothing from its errors.
    """
    caller = caller_of(request)
    agent = access.agent_for(caller, agent_id, write=True, kinds=access.MACHINES, fenced_ok=True)
    form.is_valid(raise_exception=True)
    data = form.validated_data
    instance = access.machine_for(
        caller, agent, instance_id=data.get("instance_id"), fenced_ok=True
    )
    if instance.role in (Instance.Role.SUPERSEDED, Instance.Role.RELEASED) and not (
        InterruptionEvent.objects.filter(instance=instance).exists()
    ):
        access.refuse_fenced(instance)
    return instance, data


class Termination(APIView):
    """7: the notice. Prepares, and promotes at once where nothing is to be quiesced."""

    def post(self, request: Request, agent_id: str) -> Response:
        """What was done about it."""
        form = serializers.TerminationSerializer(data=request.data)
        instance, data = _signalled(request, agent_id, form)
        answer = sef.on_notice(
            instance=instance,
            detected_at=data["detected_at"] or timezone.now(),
            termination_time=data["termination_time"],
            channel=AGENT_CHANNEL,
            imminent=False,
            clock=timezone.now,
        )
        return Response(
            {
                "status": "success",
                "action_taken": answer.action,
                "replica_id": str(answer.replica.pk) if answer.replica else None,
                "new_primary_instance_id": _instance_id(answer),
                "quiesce_by": rfc3339(answer.quiesce_by),
                "message": answer.explanation,
            }
        )


class EmergencyReplica(APIView):
    """8: a rebalance recommendation; a standby where the risk is above its threshold."""

    def post(self, request: Request, agent_id: str) -> Response:
        """The standby, or why there is none."""
        form = serializers.RecommendationSerializer(data=request.data)
        instance, data = _signalled(request, agent_id, form)
        answer = sef.on_recommendation(
            instance=instance,
            detected_at=data["detected_at"] or timezone.now(),
            channel=AGENT_CHANNEL,
            clock=timezone.now,
        )
        replica = answer.replica if answer.action in (Action.CREATED, Action.ON_DEMAND) else None
        now = timezone.now()
        ready_by = estimates.ready_by(replica, now=now) if replica else None
        return Response(
            {
                "status": "success",
                "replica_created": replica is not None,
                "replica_id": str(replica.pk) if replica else None,
                "replica_instance_id": _instance_id(answer) if replica else None,
                "estimated_ready_time_seconds": _seconds_until(ready_by, now),
                "risk_score": answer.risk_score,
                "message": answer.explanation,
            }
        )


class TerminationImminent(APIView):
    """9: the workload is quiet, or there is no time for it: promote."""

    def post(self, request: Request, agent_id: str) -> Response:
        """How far the failover has got."""
        form = serializers.ImminentSerializer(data=request.data)
        instance, data = _signalled(request, agent_id, form)
        now = timezone.now()
        termination_time = data["termination_time"]
        if termination_time is None and data["time_until_termination_seconds"] is not None:
            termination_time = now + timedelta(seconds=data["time_until_termination_seconds"])
        answer = sef.on_notice(
            instance=instance,
            detected_at=now,
            termination_time=termination_time,
            channel=AGENT_CHANNEL,
            imminent=True,
            clock=timezone.now,
        )
        return Response(
            {
                "status": "success",
                "failover_initiated": answer.action
                in (Action.PROMOTED, Action.CREATED, Action.ON_DEMAND),
                "new_primary_instance_id": _instance_id(answer),
                "failover_time_ms": answer.failover_ms,
                "action_taken": answer.action,
                "message": answer.explanation,
            }
        )


class Replicas(APIView):
    """10 and 11: ask for a standby, list them."""

    def post(self, request: Request, agent_id: str) -> Response:
        """Launch a standby; 409 while there is another."""
        caller = caller_of(request)
        agent = access.agent_for(caller, agent_id, write=True)
        form = serializers.ReplicaRequestSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        replica = requests.ask(
            caller=caller, agent=agent, wish=form.validated_data, clock=timezone.now
        )
        ready_by = estimates.ready_by(replica, now=timezone.now())
        shape = serializers.replica(replica, ready_by=ready_by)
        return Response(
            {**shape, "status": "success", "replica_status": replica.status}, status=201
        )

    def get(self, request: Request, agent_id: str) -> Response:
        """Newest first."""
        agent = access.agent_for(caller_of(request), agent_id)
        rows = Replica.objects.filter(agent=agent).select_related("instance")
        return pagination.listing(request, rows, key="replicas", show=serializers.replica)


class Promote(APIView):
    """12: make a ready replica the primary."""

    def post(self, request: Request, agent_id: str, replica_id: str) -> Response:
        """The new primary, and whether EC2 has accepted the old one's end."""
        caller = caller_of(request)
        agent = access.agent_for(caller, agent_id, write=True)
        replica = lifecycle.find(agent=agent, replica_id=replica_id)
        requests.check_steering(caller, agent, replica)
        saga = lifecycle.promote(
            replica=replica, quiesced=caller.kind == "agent", clock=timezone.now
        )
        replica.refresh_from_db()
        old = saga.old_instance
        return Response(
            {
                "status": "success",
                "promoted": saga.promoted_at is not None,
                "new_primary_instance_id": replica.instance.instance_id
                if replica.instance
                else None,
                "old_primary_terminated": requests.termination_accepted(saga, old),
            }
        )


class OneReplica(APIView):
    """13: end a standby."""

    def delete(self, request: Request, agent_id: str, replica_id: str) -> Response:
        """`replica_terminated`: EC2 has accepted it; until it confirms, the termination is retried."""
        caller = caller_of(request)
        agent = access.agent_for(caller, agent_id, write=True)
        replica = lifecycle.find(agent=agent, replica_id=replica_id)
        requests.check_steering(caller, agent, replica)
        lifecycle.delete(replica=replica, reason="deleted on request", clock=timezone.now)
        return Response(
            {
                "status": "success",
                "replica_terminated": requests.termination_accepted(replica.saga, replica.instance),
            }
        )


class SyncStatus(APIView):
    """14: how far the replica is synchronised; a synced one is ready."""

    def post(self, request: Request, agent_id: str, replica_id: str) -> Response:
        """Recorded; a saga that waits for it goes on in this request."""
        caller = caller_of(request)
        agent = access.agent_for(caller, agent_id, write=True, kinds=access.MACHINES)
        replica = lifecycle.find(agent=agent, replica_id=replica_id)
        requests.check_own(caller, replica)
        form = serializers.SyncSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        data = form.validated_data
        requests.synced(
            replica=replica,
            status=data["sync_status"],
            at=data["last_sync_timestamp"],
            lag=data["lag_seconds"],
            clock=timezone.now,
        )
        return Response({"status": "success"})


class DeleteClient(APIView):
    """16: a client leaves."""

    permission_classes = [client_access.IsStaff]

    def delete(self, request: Request, client_id: str) -> Response:
        """200 once its rows are gone; 202 while EC2 has yet to confirm terminations: ask again, or wait."""
        caller = caller_of(request)
        client = client_access.client_for(caller, client_id, write=True)
        wish = request.query_params.get("terminate_primaries", "false").lower()
        if wish not in ("true", "false"):
            raise BadInput.field("terminate_primaries", "true or false")
        progress = departures.begin(
            client=client,
            terminate_primaries=wish == "true",
            by=caller.name,
            clock=timezone.now,
        )
        message = (
            "Client deleted successfully" if progress.done else "Machines are being terminated"
        )
        return Response(
            {
                "status": "success",
                "message": message,
                "deleted": progress.done,
                "terminating_instances": progress.terminating,
                "primaries_left_running": progress.left_running,
            },
            status=200 if progress.done else 202,
        )


class ForceSwitch(APIView):
    """26: a person, or the client's software, moves a slot to a pool of its choice."""

    def post(self, request: Request, instance_id: str) -> Response:
        """The command that the agent gets."""
        command = requests.force_switch(
            caller=caller_of(request),
            instance_id=instance_id,
            client_id=request.query_params.get("client_id"),
            body=request.data,
            now=timezone.now(),
        )
        return Response(
            {
                "status": "success",
                "command_id": str(command.pk),
                "message": "Switch command issued",
            }
        )


def _instance_id(answer: sef.Answer) -> str | None:
    return answer.new_instance.instance_id if answer.new_instance else None


def _seconds_until(moment: datetime | None, now: datetime) -> int | None:
    return None if moment is None else max(0, round((moment - now).total_seconds()))


AGENT = "agents/<str:agent_id>"
urlpatterns: list[Any] = [
    path("agents/register", Register.as_view()),
    path(f"{AGENT}/termination", Termination.as_view()),
    path(f"{AGENT}/create-emergency-replica", EmergencyReplica.as_view()),
    path(f"{AGENT}/termination-imminent", TerminationImminent.as_view()),
    path(f"{AGENT}/replicas", Replicas.as_view()),
    path(f"{AGENT}/replicas/<str:replica_id>/promote", Promote.as_view()),
    path(f"{AGENT}/replicas/<str:replica_id>", OneReplica.as_view()),
    path(f"{AGENT}/replicas/<str:replica_id>/sync-status", SyncStatus.as_view()),
    path("client/instances/<str:instance_id>/force-switch", ForceSwitch.as_view()),
]
