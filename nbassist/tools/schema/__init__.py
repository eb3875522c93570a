"""From the signature and docstring of a function to a JSON schema, and from JSON back to its arguments.

Begin with `signature.describe`; `validate` reads what a model wrote.
"""
