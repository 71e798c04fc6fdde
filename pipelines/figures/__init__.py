"""Figures of a champion: its predictions beside what came later, where no drift can be decided on."""
