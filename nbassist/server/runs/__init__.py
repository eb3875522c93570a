"""What the server does with a run: the worker, one turn of it, and the upstream that has the model.

Begin with `worker`; `event_translation` tells and writes what the upstream's events mean, `chat_request` makes what it
is sent.
"""
