"""What the person has set: endpoint and model, profiles, prices, where files lie, and how an endpoint differs.

Imports the ground (`errors`, `core`). Begin with `settings.resolve`, which says in which order things count; nothing
here reads the environment or a file before it is asked.
"""
