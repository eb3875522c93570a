"""What a tool returned, as text for the model and as something to look at for the person; both bounded.

Begin with `result`.
"""
