"""Recipes: which columns a model is made of, and everything that was learned in order to compute them."""
