"""Who may call, and how often: tokens and their scopes, programs on this machine, limits of rate."""
