"""Tools that come with nbassist, off until `%assistant tools add`; each module has `make(shell, approve)`."""
