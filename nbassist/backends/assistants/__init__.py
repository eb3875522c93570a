"""Assistants v2: a thread at the endpoint holds the conversation, and a run works on it.

Begin with `backend`; `decoder` turns `thread.*` events into ours, with `items` for messages and hosted tools.
"""
