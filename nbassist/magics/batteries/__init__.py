"""Tools that come with nbassist, off until `%assistant tools add`; each module has `make(shell, approve)`.

They stand here and not in `tools`, since they know the shell: its history, its namespace, its next input. Begin with
`variables`, the shortest that looks around.
"""
