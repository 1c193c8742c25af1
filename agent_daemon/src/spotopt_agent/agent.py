"""The agent put together: which thread does what, from start to end."""

from __future__ import annotations

import logging
import os
from typing import Any, Optional

from spotopt_agent import __version__, clock
from spotopt_agent.backoff import Backoff
from spotopt_agent.command_log import CommandLog
from spotopt_agent.commands.actions import Actions
from spotopt_agent.commands.inbox import Inbox
from spotopt_agent.commands.runner import Runner
from spotopt_agent.commands.switch import Switch
from spotopt_agent.delivery import Delivery
from spotopt_agent.ending import Ending
from spotopt_agent.handlers.dispatch import Dispatch
from spotopt_agent.handlers.notice import NoticeHandler
from spotopt_agent.handlers.rebalance import RebalanceHandler
from spotopt_agent.heartbeat import Heartbeat
from spotopt_agent.hooks import Hooks
from spotopt_agent.log import fields
from spotopt_agent.loops import Loop, in_background
from spotopt_agent.monitors import rebalance, termination
from spotopt_agent.monitors.watch import Watch
from spotopt_agent.outbox import Events, Outbox
from spotopt_agent.prices import PriceReports
from spotopt_agent.registration import Registrar
from spotopt_agent.server import Over, Server, Superseded
from spotopt_agent.session import Session
from spotopt_agent.settings import Settings, SettingsError
from spotopt_agent.signals import NOTICE, REBALANCE, Signals
from spotopt_agent.standby_sync import StandbySync
from spotopt_agent.standing import Standing
from spotopt_agent.starting import Machine
from spotopt_agent.statedir import FENCED
from spotopt_agent.stopping import METADATA_BROKEN, Stop
from spotopt_agent.store import Store
from spotopt_agent.workload import Workload

JOIN_SECONDS = 0.5  # for all threads together; they are daemons, and what matters is on disk

log = logging.getLogger(__name__)


class Agent:
    """One agent for one machine."""

    def __init__(
        self,
        *,
        settings: Settings,
        machine: Machine,
        stop: Stop,
    ) -> None:
        identity, metadata, statedir = machine.identity, machine.metadata, machine.statedir
        self._statedir = statedir
        self._metadata = metadata
        self._stop = stop
        self._store = Store(statedir.database)
        self._outbox = Outbox(self._store)
        self._events = Events(self._outbox, identity.instance_id)
        self._standing = Standing(scale=settings.interval_scale)
        self._hooks = Hooks(settings.hooks_dir, environment=os.environ)
        self._server = Server(settings.server_urls)
        self._registrar = Registrar(
            settings=settings,
            identity=identity,
            statedir=statedir,
            server=self._server,
            hooks=self._hooks.present(),
        )
        if self._registrar.current is None and settings.token is None:
            raise SettingsError(
                "SPOTOPT_TOKEN is not set, and this instance has not registered yet"
            )
        self._workload = Workload(
            settings=settings,
            identity=identity,
            statedir=statedir,
            registrar=self._registrar,
            hooks=self._hooks,
            events=self._events,
        )
        self._session = Session(
            server=self._server,
            registrar=self._registrar,
            on_over=self._over,
            on_registered=self._registered,
        )
        delivery = Delivery(session=self._session, outbox=self._outbox)
        self._ending = Ending(
            statedir=statedir,
            workload=self._workload,
            outbox=self._outbox,
            events=self._events,
            delivery=delivery,
            stop=stop,
        )
        self._heartbeat_loop = Loop(
            "heartbeat",
            Heartbeat(
                session=self._session,
                identity=identity,
                standing=self._standing,
                registrar=self._registrar,
                workload=self._workload,
                hooks=self._hooks,
                events=self._events,
                on_promoted=lambda: in_background("promoted", self._workload.start),
                on_answer=lambda: self._store.set_fact("last_heartbeat", clock.text(clock.now())),
            ).step,
            stop.event,
        )
        notice = NoticeHandler(
            session=self._session,
            standing=self._standing,
            workload=self._workload,
            check_standing=self._heartbeat_loop.wake.set,
            stop=stop.event,
        )
        self._dispatch = Dispatch(
            handlers={
                NOTICE: notice,
                REBALANCE: RebalanceHandler(session=self._session, stop=stop.event),
            },
            signals=Signals(self._store),
            standing=self._standing,
            events=self._events,
            stop=stop.event,
        )
        standby_sync = StandbySync(
            session=self._session,
            registrar=self._registrar,
            standing=self._standing,
            workload=self._workload,
            seconds=settings.sync_seconds,
        )
        self._actions = Actions(
            session=self._session,
            identity=identity,
            standing=self._standing,
            workload=self._workload,
            notice=notice,
            sync=standby_sync.once,
            hook_seconds=settings.hook_seconds,
        )
        command_log = CommandLog(self._store)
        self._runner = Runner(
            session=self._session,
            command_log=command_log,
            standing=self._standing,
            actions={
                "switch": Switch(
                    session=self._session,
                    command_log=command_log,
                    standing=self._standing,
                    workload=self._workload,
                    hook_seconds=settings.hook_seconds,
                    stop=stop.event,
                ),
                "promote": self._actions.promote,
                "run_sync": self._actions.run_sync,
                "update_config": self._actions.update_config,
                "terminate": self._terminate,
            },
            after={
                "switch": self._heartbeat_loop.wake.set,
                "terminate": self._ending.terminated,
            },
            stop=stop.event,
        )
        self._watch_loop = Loop(
            "metadata",
            Watch(
                monitors=(termination.check, rebalance.check),
                metadata=metadata,
                instance_id=identity.instance_id,
                standing=self._standing,
                signals=self._dispatch.signals,
                handle=self._dispatch.start,
                on_broken=self._metadata_broken,
            ).step,
            stop.event,
        )
        self._register_loop = Loop("register", self._register, stop.event)
        self._later_loops = [
            self._heartbeat_loop,
            Loop(
                "commands",
                Inbox(
                    session=self._session,
                    registrar=self._registrar,
                    standing=self._standing,
                    take=self._runner.take,
                ).step,
                stop.event,
                backoff=Backoff(first=0.2, cap=5.0),
                wake=self._standing.wake_commands,
            ),
            Loop("delivery", delivery.step, stop.event, wake=self._outbox.added),
            Loop("standby sync", standby_sync.step, stop.event),
            Loop(
                "prices",
                PriceReports(
                    metadata=metadata,
                    identity=identity,
                    endpoint=settings.aws_endpoint,
                    standing=self._standing,
                    registrar=self._registrar,
                    outbox=self._outbox,
                ).step,
                stop.event,
            ),
        ]

    def run(self) -> int:
        """Works until it is asked to stop; the process's exit code."""
        self.start()
        code = self._stop.wait()
        self.end()
        return code

    def start(self) -> None:
        """Starts every thread; a machine that was fenced is fenced again, and no more."""
        if self._statedir.read(FENCED) is not None:
            log.warning("this machine was fenced before: stopping its workload again")
            self._session.end()
            self._workload.stop()
            self._stop.request()
            return
        self._outbox.trim(now=clock.now())
        self._events.add("agent_started", {"version": __version__})
        # Before the watch, which would put into the store what is then taken for an old process's.
        self._dispatch.resume()
        # Watching needs no registration: a notice that comes first waits in its handler.
        self._watch_loop.start()
        self._register_loop.start()

    def end(self) -> None:
        """Ends every thread, within about a second."""
        log.info("stopping", extra=fields(exit_code=self._stop.exit_code))
        self._session.end()
        self._server.close()
        self._hooks.close()
        loops = [self._watch_loop, self._register_loop, *self._later_loops]
        for loop in loops:
            loop.wake.set()
        for loop in loops:
            loop.join(JOIN_SECONDS / len(loops))
        self._metadata.close()
        self._store.close()

    def _register(self) -> Optional[float]:
        if self._registrar.current is None:
            self._session.register()
        else:
            in_background("settle", self._workload.settle)
            Loop("config", self._fetch_config, self._stop.event).start()
        for loop in self._later_loops:
            loop.start()
        self._runner.resume()
        return None

    def _registered(self, answer: dict[str, Any]) -> None:
        self._standing.apply(answer.get("config"))
        self._standing.note_server_time(answer.get("server_time"))
        in_background("settle", self._workload.settle)

    def _fetch_config(self) -> Optional[float]:
        self._actions.refresh_config()
        return None

    def _terminate(self, command: dict[str, Any], progress: dict[str, Any]) -> Any:
        self._ending.mark("terminate")
        return self._actions.terminate(command, progress)

    def _over(self, reason: Over) -> None:
        if isinstance(reason, Superseded):
            self._ending.superseded()
        else:
            self._ending.released()

    def _metadata_broken(self, error: str) -> None:
        if self._dispatch.under_way():
            log.warning("metadata is broken, but a signal is being dealt with: going on")
            return
        log.error("metadata is broken: ending, so that the supervisor starts afresh: %s", error)
        self._stop.request(METADATA_BROKEN)
