"""The HTTP side: one port for the simulated AWS and for the control interface."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import traceback
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from moto.backends import SERVICE_NAMES
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import BaseWSGIServer, make_server

from . import aws_errors, calls, pricing_api, quotas_api
from .calls import Call
from .control import Control

if TYPE_CHECKING:
    from .faults import Fault
    from .options import Options
    from .world import World

StartResponse = Callable[..., Any]
# These are asked for within seconds of the start; imported then, they would make somebody wait.
_PREPARED: tuple[SERVICE_NAMES, ...] = (
    "ec2",
    "sts",
    "sqs",
    "events",
    "elbv2",
    "route53",
    "sns",
    "iam",
)
# Answered here, for moto hasn't got them.
_OWN = {"pricing": pricing_api.answer, "servicequotas": quotas_api.answer}
# Queues are waited on, and safe by themselves; everything else in moto runs one at a time.
_UNLOCKED = {"sqs"}


class Handler(MotoRequestHandler):
    """Keeps connections open and writes no log."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 120

    def log(self, type: str, message: str, *args: Any) -> None:
        pass


class Application:
    """WSGI: control interface, faults, what moto lacks as a whole, then moto."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._control = Control(world)
        self._moto = DomainDispatcherApplication(create_backend_app)
        for service in _PREPARED:
            self._moto.app_instances[service] = create_backend_app(service)

    def __call__(self, environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/_sim" or path.startswith("/_sim/"):
            body = calls.read_body(environ)
            status, told = self._control.answer(environ["REQUEST_METHOD"], path[5:], body)
            content = json.dumps(told).encode()
            return _respond(start, status, "application/json", content)
        call = calls.read(environ)
        fault = self._world.faults.on_call(
            service=call.service, action=call.action, region=call.region, account=call.account
        )
        if fault is not None and fault.kind != "lost_answer":
            return _refuse(start, call, fault)
        answer = self._serve(environ, start, call)
        if fault is not None:
            for part in answer:  # the deed is done; nobody hears of it
                del part
            _cut(environ)
        return answer

    def _serve(self, environ: dict[str, Any], start: StartResponse, call: Call) -> Iterable[bytes]:
        try:
            if call.service in _OWN:
                content = json.dumps(_OWN[call.service](call.action, call.body)).encode()
                return _respond(start, 200, "application/x-amz-json-1.1", content)
            if call.service in _UNLOCKED:
                found: Iterable[bytes] = self._moto(environ, start)
                return found
            with self._world.lock:
                held: Iterable[bytes] = self._moto(environ, start)
                return held
        except aws_errors.Refusal as error:
            return _error(start, call, error.code, str(error), 400)
        except NotImplementedError as error:
            return _error(start, call, "UnsupportedOperation", str(error), 400)
        except Exception as error:  # noqa: BLE001 - boto3 can't read a page of HTML
            traceback.print_exc(file=sys.stderr)
            return _error(start, call, "InternalError", f"{type(error).__name__}: {error}", 500)


def bind(options: Options) -> socket.socket:
    """The port to listen on. Raises OSError if it is taken."""
    return socket.create_server((options.host, options.port), backlog=256)


def make(world: World, bound: socket.socket) -> BaseWSGIServer:
    server = make_server(
        world.options.host,
        world.options.port,
        Application(world),
        threaded=True,
        request_handler=Handler,
        fd=bound.fileno(),
    )
    server.daemon_threads = True  # type: ignore[attr-defined]
    return server


def _respond(
    start: StartResponse,
    status: int,
    kind: str,
    content: bytes,
    headers: Iterable[tuple[str, str]] = (),
) -> list[bytes]:
    start(
        f"{status} -",
        [("Content-Type", kind), ("Content-Length", str(len(content))), *headers],
    )
    return [content]


def _error(start: StartResponse, call: Call, code: str, message: str, status: int) -> list[bytes]:
    written = aws_errors.write(service=call.service, code=code, message=message, status=status)
    return _respond(start, written.status, written.content_type, written.body, written.headers)


def _refuse(start: StartResponse, call: Call, fault: Fault) -> list[bytes]:
    if fault.kind == "throttle":
        code, status = aws_errors.throttled(call.service)
        return _error(start, call, code, "Request limit exceeded.", status)
    code = aws_errors.denied(call.service)
    message = f"You are not authorized to perform this operation: {call.service}:{call.action}"
    return _error(start, call, code, message, 403)


def _cut(environ: dict[str, Any]) -> None:
    """Ends the connection without an answer."""
    connection = environ.get("werkzeug.socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
    raise ConnectionResetError("the answer is lost, as asked for")
