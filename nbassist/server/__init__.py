"""The Assistants v2 server that nbassist carries with it, a process of its own; the kernel imports only `launcher`.

Imports the ground (`errors`, `core`), `backends` and `config`. Begin with `app`, which puts it together; `access` says
who may ask, `api` answers requests, `store` keeps objects, `runs` works runs off, `engine` has the local model,
`observe` tells operators, `transfer` moves in and out. `launcher` is the kernel's side.
"""
