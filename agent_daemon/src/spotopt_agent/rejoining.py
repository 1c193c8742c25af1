"""Takes a machine back that was taken out of management."""

from __future__ import annotations

import os
from typing import Optional

from spotopt_agent.hooks import Hooks
from spotopt_agent.registration import Registrar
from spotopt_agent.server import Server, ServerError
from spotopt_agent.settings import Settings, SettingsError
from spotopt_agent.starting import Machine


def rejoin(settings: Settings, machine: Machine) -> Optional[str]:
    """Registers anew, with the client token; what went wrong, None if nothing did.

    Raises SettingsError.
    """
    if settings.token is None:
        raise SettingsError("SPOTOPT_TOKEN is not set: to rejoin takes the client token")
    registrar = Registrar(
        settings=settings,
        identity=machine.identity,
        statedir=machine.statedir,
        server=Server(settings.server_urls),
        hooks=Hooks(settings.hooks_dir, environment=os.environ).present(),
    )
    try:
        registrar.register(instead_of=registrar.current, rejoin=True)
    except ServerError as error:
        return f"the server did not take this machine back: {error}"
    return None
