"""The finished reply as a MIME bundle without script, and the panels, footers and media that the live view shares.

Begin with `reply`, which also makes what a notebook saved in the middle of a run holds.
"""
