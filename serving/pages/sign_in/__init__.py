"""The page to sign in at with a token, and signing out."""
