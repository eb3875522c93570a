"""Markdown of a model to HTML that is safe anywhere: blocks, math, code, and the sanitiser, which has the last word.

Begin with `renderer`; `sanitiser` says what may stand in a page.
"""
