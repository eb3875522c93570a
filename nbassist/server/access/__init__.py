"""Who may ask, from where, and how often: hosts, origins, tokens and their limits. Begin with `guard`."""
