"""The command line: ``run``, ``status``, ``version``."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from spotopt_agent import __version__
from spotopt_agent import log as logs
from spotopt_agent import settings as settings_module
from spotopt_agent.settings import Settings, SettingsError
from spotopt_agent.stopping import BAD_SETTINGS, CLEAN, FAILED, METADATA_BROKEN, Stop

log = logging.getLogger(__name__)


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Runs one command; the exit code."""
    options = _parser().parse_args(arguments)
    if options.command == "version":
        print(json.dumps({"version": __version__}) if options.json else __version__)
        return CLEAN
    logs.configure(options.log_level)
    try:
        settings = settings_module.load(os.environ, options.config)
        if options.command == "status":
            from spotopt_agent import status

            return status.show(settings.state_dir, as_json=options.json)
        return run(settings)
    except SettingsError as error:
        print(f"spotopt-agent: {error}", file=sys.stderr)
        return BAD_SETTINGS


def run(settings: Settings) -> int:
    """Runs the agent until it is told to stop; the exit code. Raises SettingsError."""
    from spotopt_agent import starting
    from spotopt_agent.agent import Agent
    from spotopt_agent.statedir import StateDir, StateDirError

    stop = Stop()
    stop.on_signals()
    found = starting.identify(settings.metadata_endpoint, stop)
    if found is None:
        return stop.exit_code if stop.event.is_set() else METADATA_BROKEN
    metadata, identity = found
    try:
        statedir = StateDir(settings.state_dir, identity.instance_id)
    except StateDirError as error:
        log.error("%s", error)  # noqa: TRY400 - the message says it all
        return FAILED
    for instance_id in statedir.discard_others():
        log.warning("discarded the state of %s: this is another machine", instance_id)
    agent = Agent(
        settings=settings, identity=identity, metadata=metadata, statedir=statedir, stop=stop
    )
    return agent.run()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="spotopt-agent",
        description="Watches this machine for Spot interruptions and steers its workload to safety.",
    )
    parser.add_argument(
        "--log-level", choices=logs.LEVELS, default="info", help="what is logged (default: info)"
    )
    parser.add_argument(
        "--config",
        type=Path,
        default=os.environ.get("SPOTOPT_CONFIG") or None,
        help=f"configuration file (default: {settings_module.DEFAULT_CONFIG}, if it is there)",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("run", help="run in the foreground until stopped")
    for name, text in (
        ("status", "what the agent on this machine knows and has to deliver"),
        ("version", "the agent's version"),
    ):
        commands.add_parser(name, help=text).add_argument("--json", action="store_true")
    return parser
