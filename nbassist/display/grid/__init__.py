"""A grid of replies, as sweeps show it: live as a widget, and as HTML and text where nothing runs.

Begin with `grid`.
"""
