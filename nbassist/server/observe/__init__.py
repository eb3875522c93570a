"""What an operator sees of the server: request ids, logs, metrics, traces. Begin with `middleware`."""
