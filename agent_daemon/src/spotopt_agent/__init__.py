"""The agent: watches one machine, reports to the server, runs the workload's hooks."""

__version__ = "0.1.0"
