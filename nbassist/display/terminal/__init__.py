"""The view in a terminal: text as it comes, calls as indented lines.

Begin with `view`.
"""
