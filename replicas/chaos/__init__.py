"""Breaks failovers on purpose, at every step and in every way, and asks afterwards what was promised.

The code under test knows nothing of it: crashes are put around its functions from outside.
"""
