"""Forms: what a page sends, read and checked in one place."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request

from serving.http.errors import FORBIDDEN, UNSUPPORTED, ApiError, unprocessable
from serving.http.responses import read_body
from serving.pages.frame.form_tokens import FIELD, check_form_token

_MOST_BYTES, _MOST_FIELDS = 64 * 1024, 200
_TYPE: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Form:
    """The fields of a form, each with the last value that was sent for it."""

    fields: Mapping[str, str]

    def text(self, name: str, *, most: int = 1_000) -> str:
        """Return a text, without spaces around it; ApiError 422 if it is empty or too long."""
        value = self.optional(name, most=most)
        if value is None:
            raise unprocessable(name, "nothing", "a text")
        return value

    def optional(self, name: str, *, most: int = 1_000) -> str | None:
        """Return a text, or None if it is empty; ApiError 422 if it is too long or no text."""
        value = self.fields.get(name, "").strip()
        if len(value) > most:
            raise unprocessable(name, f"{len(value)} characters", f"at most {most}")
        # Anything else may be in a note that somebody pastes: spaces that do not break, joined emojis.
        if any(unicodedata.category(letter) == "Cc" and letter not in "\r\n\t" for letter in value):
            raise unprocessable(name, "control characters", "a text")
        return value or None

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """Return one of several values; ApiError 422 for any other."""
        value = self.fields.get(name, "")
        if value not in choices:
            raise unprocessable(name, repr(value[:80]), f"one of {', '.join(choices)}")
        return value


async def read_form(request: Request) -> Form:
    """Read a form that one of our own pages sent; ApiError 403 if another page did, 413 or 415 for what is no form.

    Recognised by where the browser says that it comes from, and by the token that only our page can have put into it.
    """
    check_own_page(request)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _TYPE:
        raise ApiError(UNSUPPORTED, None, "a body of another content type", _TYPE, "Send the form from its page")
    body = await read_body(request, _MOST_BYTES)
    try:
        pairs = parse_qsl(
            body.decode(),
            keep_blank_values=True,
            strict_parsing=bool(body),
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError as error:
        raise unprocessable(
            None, "a body that is no form", "fields and values", "Send the form from its page"
        ) from error
    fields = dict(pairs)
    check_form_token(fields.pop(FIELD, ""))
    return Form(fields)


def check_own_page(request: Request) -> None:
    """Refuse what a page of another site sends with our viewer's cookies: ApiError 403.

    Browsers say where a form comes from (Fetch Metadata, W3C; RFC 6454 for the older ``Origin``, which counts where
    there is no other, as over plain HTTP); what says neither is no browser's form.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        is_own = site == "same-origin"
    else:
        is_own = origin is not None and urlsplit(origin).netloc.lower() == request.headers.get("host", "").lower()
    if not is_own:
        found = "a form that does not come from a page of this endpoint"
        raise ApiError(FORBIDDEN, None, found, "one that does", "Open the page again and send it from there")
