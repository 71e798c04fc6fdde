"""Configuration: frozen, validated values, read strictly from TOML files and environment variables."""
