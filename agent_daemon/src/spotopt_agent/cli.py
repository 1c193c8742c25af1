"""The command line."""

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
from spotopt_agent.stopping import BAD_SETTINGS, CLEAN, FAILED, Stop

log = logging.getLogger(__name__)


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Runs one command; the exit code."""
    options = _parser().parse_args(arguments)
    if options.command == "version":
        print(json.dumps({"version": __version__}) if options.json else __version__)
        return CLEAN
    logs.configure(options.log_level)
    try:
        if options.command == "status":
            from spotopt_agent import status

            folder = settings_module.state_dir(os.environ, options.config)
            return status.show(folder, as_json=options.json)
        settings = settings_module.load(os.environ, options.config)
        return rejoin(settings) if options.command == "rejoin" else run(settings)
    except SettingsError as error:
        print(f"spotopt-agent: {error}", file=sys.stderr)
        return BAD_SETTINGS


def run(settings: Settings) -> int:
    """Runs the agent until it is told to stop; the exit code. Raises SettingsError."""
    from spotopt_agent import starting
    from spotopt_agent.agent import Agent

    stop = Stop()
    stop.on_signals()
    machine = starting.settle_in(settings, stop)
    if machine is None:
        return stop.exit_code
    return Agent(settings=settings, machine=machine, stop=stop).run()


def rejoin(settings: Settings) -> int:
    """Takes this machine back into management; the exit code. Raises SettingsError."""
    from spotopt_agent import rejoining, starting

    stop = Stop()
    stop.on_signals()
    machine = starting.settle_in(settings, stop)
    if machine is None:
        return stop.exit_code
    problem = rejoining.rejoin(settings, machine)
    print(problem or "this machine is managed again: start the agent")
    return CLEAN if problem is None else FAILED


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
    commands.add_parser("rejoin", help="take a machine back that was taken out of management")
    for name, text in (
        ("status", "what the agent on this machine knows and has to deliver"),
        ("version", "the agent's version"),
    ):
        commands.add_parser(name, help=text).add_argument("--json", action="store_true")
    return parser
