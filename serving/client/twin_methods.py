"""The client's methods for twins."""

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import httpx

if TYPE_CHECKING:
    from serving.schemas.answers.twins import TwinAnswer, TwinChangeAnswer, TwinLogAnswer, TwinsAnswer


class TwinMethods:
    """What a client does with twins."""

    _http: httpx.Client

    def twins(
        self, *, asset_type: str | None = None, after: str | None = None, limit: int | None = None
    ) -> "TwinsAnswer":
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
        return cast("TwinsAnswer", self._read("/twins", {"asset_type": asset_type, "after": after, "limit": limit}))

    def twin(self, asset: str, *, as_of: str | None = None) -> "TwinAnswer":
        """Describe the state of a twin.

        Parameters
        ----------
        asset : str
            The asset.
        as_of : str, optional
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
        return cast("TwinAnswer", self._read(f"/twins/{quote(asset, safe='')}", {"as_of": as_of}))

    def twin_log(
        self, asset: str, *, rejected: bool | None = None, before: int | None = None, limit: int | None = None
    ) -> "TwinLogAnswer":
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
        query = {"rejected": None if rejected is None else str(rejected).lower(), "before": before, "limit": limit}
        return cast("TwinLogAnswer", self._read(f"/twins/{quote(asset, safe='')}/log", query))

    def override(
        self,
        asset: str,
        properties: Mapping[str, Any],
        *,
        reason: str,
        revision: int | None,
        expires_at: str | None = None,
        idempotency_key: str | None = None,
        **others: Any,
    ) -> "TwinChangeAnswer":
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
        expires_at : str, optional
            When the overrides end by themselves (RFC 3339).
        idempotency_key : str, optional
            Identifies this request for 24 hours; drawn for this call by default.
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
            name: dict(value) if isinstance(value, Mapping) else {"value": value} for name, value in properties.items()
        }
        body = {"properties": changes, "reason": reason, "expires_at": expires_at, **others}
        path = f"/twins/{quote(asset, safe='')}"
        return cast("TwinChangeAnswer", self._change("PATCH", path, body, revision, idempotency_key))

    def roll_back(
        self, asset: str, to: int, *, reason: str, revision: int | None, idempotency_key: str | None = None
    ) -> "TwinChangeAnswer":
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
        path = f"/twins/{quote(asset, safe='')}/rollback"
        body = {"revision": to, "reason": reason}
        return cast("TwinChangeAnswer", self._change("POST", path, body, revision, idempotency_key))

    def _read(self, path: str, query: Mapping[str, Any]) -> Any:
        given = {name: value for name, value in query.items() if value is not None}
        return self._send(self._http.build_request("GET", path, params=given))

    def _change(self, method: str, path: str, body: Mapping[str, Any], revision: int | None, key: str | None) -> Any:
        headers = {"Idempotency-Key": key or uuid.uuid4().hex, "If-Match": "*" if revision is None else f'"{revision}"'}
        given = {name: value for name, value in body.items() if value is not None}
        return self._send(self._http.build_request(method, path, json=given, headers=headers))

    def _send(self, request: httpx.Request) -> Any:
        raise NotImplementedError
