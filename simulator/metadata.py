"""The metadata service of every machine, on http://<private ip>:1338, all in one thread.

Version 2 of the service is enforced: no token, no answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from http import HTTPStatus

from . import metadata_items
from .addresses import METADATA_PORT
from .machines import Machine
from .metadata_tokens import BadTtl, Tokens

_TOKEN_PATH = "/latest/api/token"  # noqa: S105
_TTL = "x-aws-ec2-metadata-token-ttl-seconds"
_CREDENTIALS = "/latest/meta-data/iam/"
_IDLE = 60.0


class MetadataService:
    """`credentials` makes the role name and temporary keys of a machine."""

    def __init__(self, credentials: metadata_items.Credentials) -> None:
        self._credentials = credentials
        self._servers: dict[str, asyncio.Server] = {}
        self._connections: dict[str, set[asyncio.StreamWriter]] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="metadata", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def open(self, machine: Machine) -> None:
        """Listen for that machine; returns when it does. Raises OSError if it can't."""
        asyncio.run_coroutine_threadsafe(self._open(machine), self._loop).result(10)

    def shut(self, instance_id: str) -> None:
        """Stop listening, and cut what is connected."""
        asyncio.run_coroutine_threadsafe(self._shut(instance_id), self._loop).result(10)

    def shut_all(self) -> None:
        for instance_id in list(self._servers):
            self.shut(instance_id)

    def close(self) -> None:
        self.shut_all()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)

    async def _open(self, machine: Machine) -> None:
        if machine.instance_id in self._servers:
            return
        tokens = Tokens()
        writers = self._connections.setdefault(machine.instance_id, set())

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writers.add(writer)
            try:
                while await self._answer(reader, writer, machine, tokens):
                    pass
            except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
                pass
            finally:
                writers.discard(writer)
                writer.close()

        self._servers[machine.instance_id] = await asyncio.start_server(
            serve, machine.private_ip, METADATA_PORT
        )

    async def _shut(self, instance_id: str) -> None:
        server = self._servers.pop(instance_id, None)
        if server:
            server.close()
        for writer in self._connections.pop(instance_id, set()):
            writer.transport.abort()

    async def _answer(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        machine: Machine,
        tokens: Tokens,
    ) -> bool:
        """One request. False when the connection is to be closed."""
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _IDLE)
        first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        words = first.split(" ")
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        with contextlib.suppress(ValueError):
            await reader.readexactly(int(headers.get("content-length", "0")))
        if len(words) != 3:
            _write(writer, HTTPStatus.BAD_REQUEST, "", {})
            return False
        status, body, extra = await self._respond(words[0], words[1], headers, machine, tokens)
        stays = headers.get("connection", "").lower() != "close" and words[2] == "HTTP/1.1"
        _write(writer, status, body, extra)
        await writer.drain()
        return stays

    async def _respond(
        self,
        method: str,
        target: str,
        headers: dict[str, str],
        machine: Machine,
        tokens: Tokens,
    ) -> tuple[HTTPStatus, str, dict[str, str]]:
        path = target.partition("?")[0]
        if method == "PUT" and path == _TOKEN_PATH:
            if "x-forwarded-for" in headers:  # the service refuses what came through a proxy
                return HTTPStatus.FORBIDDEN, "", {}
            try:
                token, ttl = tokens.issue(headers.get(_TTL))
            except BadTtl:
                return HTTPStatus.BAD_REQUEST, "", {}
            return HTTPStatus.OK, token, {_TTL: str(ttl)}
        if method != "GET":
            return HTTPStatus.METHOD_NOT_ALLOWED, "", {}
        left = tokens.left(headers.get("x-aws-ec2-metadata-token"))
        if left is None:
            return HTTPStatus.UNAUTHORIZED, "", {}
        found = await self._find(path, machine)
        if found is None:
            return HTTPStatus.NOT_FOUND, "", {}
        return HTTPStatus.OK, found, {_TTL: str(left)}

    async def _find(self, path: str, machine: Machine) -> str | None:
        if not path.startswith("/latest"):
            return None
        table = metadata_items.table(machine)
        if path.startswith(_CREDENTIALS):
            # Making them takes the world's lock, whose holder may be waiting for this thread.
            role, keys = await self._loop.run_in_executor(None, self._credentials, machine)
            table[f"meta-data/iam/security-credentials/{role}"] = json.dumps(keys)
        else:
            table["meta-data/iam/security-credentials/"] = ""
        return metadata_items.listing(table, path.removeprefix("/latest"))


def _write(
    writer: asyncio.StreamWriter, status: HTTPStatus, body: str, extra: dict[str, str]
) -> None:
    content = body.encode("utf-8", "surrogateescape")
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        "Server: EC2ws",
        "Content-Type: text/plain",
        f"Content-Length: {len(content)}",
        *(f"{name}: {value}" for name, value in extra.items()),
    ]
    writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + content)
