"""Assets, and what happened to them.

Generated from `asynchronous/assets.py` by `make reference`.
"""

from datetime import datetime

from forewarn_client.answers import AssetsAnswer, HistoryAnswer
from forewarn_client.requests import read, segment
from forewarn_client.synchronous.exchange import Methods


class AssetMethods(Methods):
    """Assets, and what happened to them."""

    def assets(
        self,
        *,
        plant: str | None = None,
        line: str | None = None,
        level: str | None = None,
        asset_type: str | None = None,
        as_of: str | datetime | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> AssetsAnswer:
        """List the assets within a plant or line.

        Parameters
        ----------
        plant : str, optional
            Only what is in this plant, by its identifier or name.
        line : str, optional
            Only what is in this line, by its identifier or name.
        level : {"plant", "line", "machine", "component", "any"}, optional
            What to list; machines by default.
        asset_type : str, optional
            Only machines of this type.
        as_of : str or datetime, optional
            As was known at this time (RFC 3339); now by default.
        after : str, optional
            Only identifiers that follow this one: the ``next`` of the page before.
        limit : int, optional
            Maximum length of a page, up to 1000; 100 by default.

        Returns
        -------
        AssetsAnswer
            A page of assets, sorted by identifier.

        Raises
        ------
        RefusedError
            If the endpoint answers with an error.
        UnreachableError
            If no try was answered.
        """
        request = read(
            "/assets", plant=plant, line=line, level=level, asset_type=asset_type, as_of=as_of, after=after, limit=limit
        )
        return self._exchange.answer(AssetsAnswer, request)

    def history(self, asset: str, *, since: str | datetime | None = None, limit: int | None = None) -> HistoryAnswer:
        """List an asset's predictions, outcomes, failures and work orders.

        Parameters
        ----------
        asset : str
            The asset.
        since : str or datetime, optional
            Only what is later (RFC 3339).
        limit : int, optional
            Maximum length of each list, up to 1000; 100 by default.

        Returns
        -------
        HistoryAnswer
            Each list starts with the newest.

        Raises
        ------
        RefusedError
            If the endpoint answers with an error.
        UnreachableError
            If no try was answered.
        """
        return self._exchange.answer(HistoryAnswer, read(f"/assets/{segment(asset)}/history", since=since, limit=limit))
