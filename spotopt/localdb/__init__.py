"""The project's own PostgreSQL, kept under DATA_DIR, for machines that have no server of their own.

`start` runs it for as long as the calling process lives; `running_url` finds the one that another
process runs. Nothing here needs Django: the settings import this package.
"""

from spotopt.localdb.files import LocalDatabaseError, running_url, without_password
from spotopt.localdb.launcher import LocalDatabase, start

__all__ = ["LocalDatabase", "LocalDatabaseError", "running_url", "start", "without_password"]
