"""One run, from a prompt to its answer, whatever the endpoint and the display.

Imports the ground (`errors`, `core`), `context` and `tools`; backends and views reach it as the protocols `Backend` and
`View`. Begin with `flow`, the pure generator that decides what is asked next; `driver` does what it says, sync and
async; `spec` is all that a run is, `options` what can be said of one, `endings` what any end of it leaves behind, an
interrupt among them.
"""
