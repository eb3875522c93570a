"""The Assistants v2 server that nbassist carries with it, a process of its own; the kernel imports only `launcher`."""
