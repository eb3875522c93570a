"""What the runs of a sweep are worth: checks, a judge, ratings, and what may be said of their numbers.

Begin with `checks`; `best` puts everything together. The formulas are in `intervals`.
"""
