"""Large files read chunk by chunk."""
