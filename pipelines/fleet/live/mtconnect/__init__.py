"""An MTConnect agent for the live plant (https://docs.mtconnect.org, version 2.3)."""
