"""What the bridges share: their settings, readings to rows by second, and the run that carries them to the edge."""
