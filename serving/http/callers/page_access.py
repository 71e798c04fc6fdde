"""Who may look at the pages: people who signed in, with a token or at a proxy, and programs with a token."""

from collections.abc import Callable
from functools import lru_cache, partial

from anyio import CapacityLimiter, to_thread
from starlette.datastructures import Headers
from starlette.types import Scope

from serving.http.callers.authentication import Authenticator
from serving.http.callers.cookies import FORM, SESSION, read_cookie
from serving.http.callers.local_callers import check_local_caller
from serving.http.callers.page_paths import SIGN_IN
from serving.http.callers.proxies import Proxies
from serving.http.callers.sessions import Sessions
from serving.http.errors import UNAUTHORIZED, ApiError
from serving.http.request_context import RequestContext
from serving.settings import Settings

_CONCURRENT_CHECKS = 4
_BY_ITSELF = "x-forewarn-refresh"  # of a page that keeps itself current: nobody may be in front of it


class PageAccess:
    """Admit requests for pages; without an authenticator everybody on this machine is let in, and may do everything."""

    def __init__(
        self, settings: Settings, authenticator: Authenticator | None, sessions: Sessions | None, proxies: Proxies
    ) -> None:
        self._auth = settings.auth
        self._authenticator = authenticator
        self._sessions = sessions
        self._proxies = proxies

    async def admit(self, scope: Scope, context: RequestContext, check_rate: Callable[[str], None]) -> None:
        """Note in the context who sends a request; ApiError 401 or 403 for whom none of the pages are.

        A name that a proxy gives counts before a session, and that before a token sent along.
        """
        headers = Headers(scope=scope)
        context.form_secret = read_cookie(headers, FORM, secure=context.secure) or ""
        if self._authenticator is None:
            if self._auth == "auto":
                check_local_caller(scope)
            check_rate(context.address)
            return
        context.scopes = frozenset()
        user = self._proxies.user(scope)
        if user is not None:
            context.caller, context.scopes, context.signed_in_by = user.name, user.scopes, "proxy"
        elif not await self._has_session(headers, context, check_rate) and not await self._has_token(
            self._authenticator, headers, context, check_rate
        ):
            if scope["path"] == SIGN_IN:
                return
            found = "nobody who has signed in"
            raise ApiError(UNAUTHORIZED, None, found, "somebody who has", "Sign in with a token, at /ui/sign-in")
        check_rate(context.caller)

    async def _has_session(self, headers: Headers, context: RequestContext, check_rate: Callable[[str], None]) -> bool:
        secret = read_cookie(headers, SESSION, secure=context.secure)
        if self._sessions is None or secret is None:
            return False
        session = self._sessions.recent(secret)
        if session is None:
            # Limited by address before the records are read, so that guessing is slow.
            check_rate(context.address)
            find = partial(self._sessions.find, secret, in_use=_BY_ITSELF not in headers)
            session = await to_thread.run_sync(find, limiter=_limiter())
        if session is None:
            return False
        context.caller, context.scopes, context.signed_in_by = session.name, session.scopes, "token"
        context.form_secret = secret
        return True

    async def _has_token(
        self,
        authenticator: Authenticator,
        headers: Headers,
        context: RequestContext,
        check_rate: Callable[[str], None],
    ) -> bool:
        authorization = headers.get("authorization")
        token = authenticator.cached_token(authorization)
        if token is None:
            check_rate(context.address)
            if authorization is None:
                return False
            try:
                token = await to_thread.run_sync(authenticator.authenticate, authorization, limiter=_limiter())
            except ApiError as error:
                # A proxy's own password, say, which the browser sends along to where its person is to sign in.
                if error.status != UNAUTHORIZED:
                    raise
                return False
        context.caller, context.scopes = token.name, token.scopes
        return True


@lru_cache(maxsize=1)
def _limiter() -> CapacityLimiter:
    """Give these checks threads of their own, so that they do not wait for long requests."""
    return CapacityLimiter(_CONCURRENT_CHECKS)
