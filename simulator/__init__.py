"""The outside world in one process: simulated AWS over HTTP, with machines that really run.

Built on moto's server. What moto gets wrong where the product depends on it is mended in
`simulator.mends`, one file a mend; what moto has no notion of (time, prices, boots,
interruptions, faults, bills) lives in this package, one concept a file.
"""
