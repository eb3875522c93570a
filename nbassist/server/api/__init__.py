"""From requests to answers, one module for each kind of object, with its `routes`.

Begin with `runs`; `bodies` is what a client may send, `event_stream` how a run is told, `errors` the service's own
words. It asks `store` for objects and leaves the work on a run to `server.runs`.
"""
