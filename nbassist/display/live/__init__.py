"""The live view: one widget whose page is patched while the reply is written.

Begin with `view`; `painter` keeps a `canvas` in step with the transcript, `clicks` hears buttons while a cell blocks.
"""
