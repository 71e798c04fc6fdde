"""Links to the endpoint's pages, for people who get a message elsewhere."""

from urllib.parse import quote


def machine_link(endpoint: str, asset: str) -> str:
    """Return the address of a machine's page; nothing without an endpoint that browsers reach.

    Examples
    --------
    >>> machine_link("https://forewarn.plant.example/", "mill 7/b")
    'https://forewarn.plant.example/ui/machines/mill%207%2Fb'
    """
    return f"{endpoint.rstrip('/')}/ui/machines/{quote(asset, safe='')}" if endpoint else ""
