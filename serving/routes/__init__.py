"""Routes: the endpoints beside `/predict`, one file each."""
