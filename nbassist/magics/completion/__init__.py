"""Tab in `%%assistant` and `%assistant`: flags with their help, their values, commands, and names in `{{ … }}`.

Begin with `matcher`, which says where the cursor stands and hands IPython what belongs there, and nothing else;
`values` knows what that is. Both are imported at the first Tab.
"""
