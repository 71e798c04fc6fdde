"""The section of a workspace's settings about where people see more."""

from typing import Annotated

from pydantic import Field

from data_contracts.configuration.values import configuration


@configuration
class LinkSettings:
    """Where people who get a message see more of it."""

    endpoint: Annotated[str, Field(pattern=r"^(https?://[^\s]+)?$", title="an http or https address")] = ""
    """The address under which browsers reach the endpoint, such as "https://forewarn.plant.example"; messages and work
    orders link to the machine's page there. Empty for no links."""
