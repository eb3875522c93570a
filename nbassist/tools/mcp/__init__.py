"""Servers of the Model Context Protocol as tools, through the `mcp` package.

Begin with `server.connect`.
"""
