"""Recipes: the columns a model is made of, and everything learned to compute them."""
