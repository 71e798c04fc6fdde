"""The routes beside `/predict`: each answer is computed in a file of its own."""
