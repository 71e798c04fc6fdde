"""States of assets' twins: read, overridden, rolled back.

Generated from `asynchronous/twins.py` by `make reference`.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from forewarn_client.answers import TwinAnswer, TwinChangeAnswer, TwinLogAnswer, TwinsAnswer
from forewarn_client.requests import read, seen, segment, write
from forewarn_client.synchronous.exchange import Methods


class TwinMethods(Methods):
    """States of assets' twins: read, overridden, rolled back."""

    def twins(
        self, *, asset_type: str | None = None, after: str | None = None, limit: int | None = None
    ) -> TwinsAnswer:
        """List twins by name.

        Parameters
        ----------
        asset_type : str, optional
            Only twins of this type.
        after : str, optional
            Only names after this one: ``next`` of the answer before.
        limit : int, optional
            Maximum length of the list, up to 1000; 100 by default.

        Returns
        -------
        TwinsAnswer
            The twins with their revisions.

        Raises
        ------
        RefusedError
            If the endpoint answers with an error.
        UnreachableError
            If no try was answered.
        """
        return self._exchange.answer(TwinsAnswer, read("/twins", asset_type=asset_type, after=after, limit=limit))

    def twin(self, asset: str, *, as_of: str | datetime | None = None) -> TwinAnswer:
        """Describe the state of a twin.

        Parameters
        ----------
        asset : str
            The asset.
        as_of : str or datetime, optional
            The state by what was known then (RFC 3339); now by default.

        Returns
        -------
        TwinAnswer
            Each property with its source and times, and the revision.

        Raises
        ------
        RefusedError
            If the endpoint answers with an error.
        UnreachableError
            If no try was answered.
        """
        return self._exchange.answer(TwinAnswer, read(f"/twins/{segment(asset)}", as_of=as_of))

    def twin_log(
        self, asset: str, *, rejected: bool | None = None, before: int | None = None, limit: int | None = None
    ) -> TwinLogAnswer:
        """List a twin's log, the newest entries first.

        Parameters
        ----------
        asset : str
            The asset.
        rejected : bool, optional
            Only rejected entries, or only accepted ones; both by default.
        before : int, optional
            Only entries of a smaller number: ``next`` of the answer before.
        limit : int, optional
            Maximum length of the list, up to 1000; 100 by default.

        Returns
        -------
        TwinLogAnswer
            The entries.

        Raises
        ------
        RefusedError
            If the endpoint answers with an error.
        UnreachableError
            If no try was answered.
        """
        request = read(f"/twins/{segment(asset)}/log", rejected=rejected, before=before, limit=limit)
        return self._exchange.answer(TwinLogAnswer, request)

    def override(
        self,
        asset: str,
        properties: Mapping[str, Any],
        *,
        reason: str,
        revision: int | None,
        expires_at: str | datetime | None = None,
        idempotency_key: str | None = None,
        **others: Any,
    ) -> TwinChangeAnswer:
        """Override properties of a twin, or end overrides: all of them, or, if one breaks a rule, none.

        Parameters
        ----------
        asset : str
            The asset.
        properties : mapping
            The value of each property, None to end its override; or a mapping as `PropertyChange` in the OpenAPI
            document.
        reason : str
            Why.
        revision : int or None
            The revision that was seen: if the twin has another by now, the change is refused with status 412. None to
            change it whatever it is by now.
        expires_at : str or datetime, optional
            When the overrides end by themselves (RFC 3339).
        idempotency_key : str, optional
            Identifies this request for 24 hours, in which it is answered once; drawn for this call by default.
        **others
            Other fields of the request, such as ``source``.

        Returns
        -------
        TwinChangeAnswer
            The new revision and the entries.

        Raises
        ------
        RefusedError
            If the endpoint answers with an error; then nothing has changed.
        UnreachableError
            If no try was answered.
        """
        changes = {
            name: value if isinstance(value, Mapping) else {"value": value} for name, value in properties.items()
        }
        body = {"properties": changes, "reason": reason, "expires_at": expires_at, **others}
        path = f"/twins/{segment(asset)}"
        request = write(path, body, idempotency_key, method="PATCH", headers=seen(revision))
        return self._exchange.answer(TwinChangeAnswer, request)

    def roll_back(
        self, asset: str, to: int, *, reason: str, revision: int | None, idempotency_key: str | None = None
    ) -> TwinChangeAnswer:
        """Make the overrides of a twin what they were at a revision, as new entries.

        Parameters
        ----------
        asset : str
            The asset.
        to : int
            The revision to go back to.
        reason : str
            Why.
        revision : int or None
            As for `override`.
        idempotency_key : str, optional
            As for `override`.

        Returns
        -------
        TwinChangeAnswer
            The new revision and the entries.

        Raises
        ------
        RefusedError
            If the endpoint answers with an error; then nothing has changed.
        UnreachableError
            If no try was answered.
        """
        path, body = f"/twins/{segment(asset)}/rollback", {"revision": to, "reason": reason}
        return self._exchange.answer(TwinChangeAnswer, write(path, body, idempotency_key, headers=seen(revision)))
