"""The demo: real server, real agents, real workloads, a simulated AWS, and a play of interruptions.

It conducts from outside, as a customer would: machines are started at AWS, standbys asked for over HTTP,
uptime measured by probing each workload at its target group's registered address.
"""
