"""What is remembered of prompts: their family with scores, the tests that came from work, and how they get better.

Begin with `suite`, the tests; `family` is the tree of wordings, `improve` proposes new ones.
"""
