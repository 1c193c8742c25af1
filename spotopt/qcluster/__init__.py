"""django-q2's cluster under a watchdog.

The cluster deadlocks for good when one of its processes is killed at the wrong moment, and then
ignores SIGTERM too; killed at the top, it leaves orphans that go on taking tasks. So it runs in a
process group of its own, which ends as a whole and is started anew.
"""
