"""`python -m simulator`: begins the world and serves it until SIGTERM or SIGINT."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import resource
import signal
import sys
import threading
from typing import Any


def _open_many_files() -> None:
    """Every machine listens on an address of its own."""
    with contextlib.suppress(ValueError, OSError):
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def main() -> int:
    from .options import parse

    options = parse()
    # moto asks itself for some things over AWS's own clients; it must never reach the real one.
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "simulated")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "simulated")
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    _open_many_files()

    from . import mends, server
    from .price_files import BadPriceFile
    from .world import World

    try:
        bound = server.bind(options)
    except OSError as error:
        print(f"can't listen on {options.url}: {error}", file=sys.stderr)  # noqa: T201
        return 1
    try:
        world = World(options)
    except BadPriceFile as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    mends.install(world)
    listening = server.make(world, bound)
    world.begin()
    gc.freeze()  # moto's catalogues stay; looking through them again and again is waste
    ending = threading.Event()

    def end(*_: Any) -> None:
        ending.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    serving = threading.Thread(target=listening.serve_forever, args=(0.1,), daemon=True)
    serving.start()
    print(f"simulator ready on {options.url}", flush=True)  # noqa: T201
    ending.wait()
    listening.shutdown()
    world.end()
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # All is tidied up; letting the interpreter take moto's world apart would cost seconds.
    os._exit(code)
