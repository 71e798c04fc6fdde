"""Commands that keep a workspace over the years, and send what others are to hear of."""
