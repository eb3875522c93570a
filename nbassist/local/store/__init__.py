"""Where everything is kept: tables, and functions on them that take a connection, so that a caller makes the
transaction."""
