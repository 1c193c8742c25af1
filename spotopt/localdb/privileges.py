"""PostgreSQL refuses to run as root: how root starts it with no system user made for it."""

import ctypes
import os
import pwd
import signal
import stat
from collections.abc import Callable
from pathlib import Path

from spotopt.lib import processes

CLONE_NEWUSER = 0x10000000
PR_SET_KEEPCAPS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 8, 47, 2
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION_3 = 0x20080522
INSIDE = 1000  # what root is called in the server's user namespace

Entrance = Callable[[], None]


def entrance(*, folder: Path, reads: list[Path]) -> Entrance:
    """What a server process has to do between fork and exec.

    `folder` is the database's own, `reads` what else the server must reach. As root: a folder that
    belongs to a user is served as that user; else a user namespace of one is entered, in which root
    goes by another number; where those are closed, the folder becomes `nobody`'s.
    """
    change_user = _becoming(folder, reads)
    keeper = os.getpid()

    def enter() -> None:
        change_user()
        # SIGINT asks PostgreSQL for a fast, clean shutdown.
        processes.die_with_parent(parent=keeper, death_signal=signal.SIGINT)

    return enter


def _becoming(folder: Path, reads: list[Path]) -> Entrance:
    if os.geteuid() != 0:
        return lambda: None
    if folder.stat().st_uid == 0:
        if namespaces_open():
            return enter_namespace
        nobody = pwd.getpwnam("nobody")
        give_away(folder, nobody.pw_uid, nobody.pw_gid)
    owner = folder.stat()
    # Only a path closed to others needs more than the plain rights of that user.
    closed = not all(reachable(path) for path in [folder, *reads])
    return lambda: become(owner.st_uid, owner.st_gid, keep_access=closed)


def namespaces_open() -> bool:
    """Whether the kernel lets this process make a user namespace; tried in a child."""
    child = os.fork()
    if child == 0:
        try:
            enter_namespace()
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def enter_namespace() -> None:
    """Call root `INSIDE` from here on; files made still belong to root on the outside."""
    user, group = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    _check(libc.unshare(CLONE_NEWUSER))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{INSIDE} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{INSIDE} {group} 1")


def become(user: int, group: int, *, keep_access: bool) -> None:
    """Leave root for good; `keep_access` keeps the one right to pass closed folders.

    Without it a database under /root would be out of its server's reach, or /root's mode would have
    to be loosened.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if keep_access:
        _check(libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0))
    os.setgroups([])
    os.setgid(group)
    os.setuid(user)
    if keep_access:
        header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
        bit = 1 << CAP_DAC_OVERRIDE
        data = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)
        _check(libc.capset(header, data))
        _check(libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0))


def reachable(path: Path) -> bool:
    """Whether every folder above `path` lets other users through."""
    return all(above.stat().st_mode & stat.S_IXOTH for above in path.resolve().parents)


def give_away(folder: Path, user: int, group: int) -> None:
    """Hand the database's own folder, and all in it, to another user."""
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, user, group, follow_symlinks=False)


def _check(result: int) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
