"""Where everything is kept: tables, and functions on them that take a connection: the caller makes the transaction.

Begin with `schema`; `leases` says which server works on a run, `leased_writes` and `run_ending` what it writes,
`database` is the way here from an event loop. It imports no route, but the errors and words that routes answer with.
"""
