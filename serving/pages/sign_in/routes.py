"""`/ui/sign-in` and `/ui/sign-out`."""

from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from serving.http import request_context
from serving.http.callers.cookies import SESSION, write_cookie
from serving.http.callers.page_paths import SIGN_IN, SIGN_OUT, own_page
from serving.http.callers.sign_in import SignIn
from serving.http.errors import TOO_MANY, UNAUTHORIZED, ApiError, to_api_error
from serving.pages.frame.forms import Form, read_form
from serving.pages.frame.notices import FIELD, SIGNED_OUT
from serving.pages.frame.page_request import read_page_request
from serving.pages.frame.show import HEADERS, Page, Worker, error_page, render, show_with_status
from serving.settings import Settings

_SEE_OTHER = 303
_MOST_CHARACTERS = 256
_PROBLEMS = {UNAUTHORIZED: "sign_in.unknown_token", TOO_MANY: "sign_in.too_many"}
_FROM_ELSEWHERE = ("cross-site", "same-site")


@dataclass(frozen=True)
class SignInView:
    """Where to go on afterwards, and why it did not work, as the key of a text."""

    next: str
    problem: str | None = None


def routes(worker: Worker, sign_in: SignIn | None) -> list[Route]:
    """Build the routes; `sign_in` is None where nobody has to."""

    async def get(request: Request) -> Response:
        if sign_in is None or _has_signed_in():
            return _go(request, own_page(request.query_params.get("next")))
        return _show(request, worker().settings)

    async def post(request: Request) -> Response:
        try:
            form = await read_form(request)
        except ApiError as error:
            return error_page(request, worker().settings, error)
        return await run_in_threadpool(_sign_in, request, worker().settings, sign_in, form)

    async def leave(request: Request) -> Response:
        try:
            await read_form(request)
        except ApiError as error:
            return error_page(request, worker().settings, error)
        return await run_in_threadpool(_sign_out, request, sign_in)

    return [
        Route(SIGN_IN, get, methods=["GET"]),
        Route(SIGN_IN, post, methods=["POST"]),
        Route(SIGN_OUT, leave, methods=["POST"]),
    ]


def _show(request: Request, settings: Settings) -> Response:
    wanted = own_page(request.query_params.get("next"))
    html = render(Page("sign_in", SignInView(wanted)), read_page_request(request, settings))
    headers = dict(HEADERS)
    if request.headers.get("sec-fetch-site") in _FROM_ELSEWHERE:
        # Who follows a link in a mail comes from another site, and without the session's cookie (SameSite=Strict,
        # RFC 6265bis, section 8.8.2). Asked for by this page, the same address is asked for with it.
        headers["Refresh"] = f"0; url={request.scope.get('root_path', '')}{SIGN_IN}?{urlencode({'next': wanted})}"
    return HTMLResponse(html, headers=headers)


def _sign_in(request: Request, settings: Settings, sign_in: SignIn | None, form: Form) -> Response:
    context, wanted = request_context.current(), own_page(form.fields.get("next"))
    if sign_in is None:
        return _go(request, wanted)
    context.action = "sign-in"
    try:
        name, secret = sign_in.open(form.fields.get("token", "").strip()[: _MOST_CHARACTERS + 1], context.address)
    except Exception as caught:
        error = to_api_error(caught)
        view = SignInView(wanted, _PROBLEMS.get(error.status, "sign_in.unavailable"))
        return show_with_status(request, settings, Page("sign_in", view), error)
    context.caller = context.subject = name
    seconds = int(sign_in.sessions.longest.total_seconds())
    context.cookies.append(write_cookie(SESSION, secret, secure=context.secure, seconds=seconds))
    return _go(request, wanted)


def _sign_out(request: Request, sign_in: SignIn | None) -> Response:
    context = request_context.current()
    context.action = "sign-out"
    if sign_in is not None and context.signed_in_by == "token":
        sign_in.sessions.end(context.form_secret)
        context.cookies.append(write_cookie(SESSION, "", secure=context.secure, seconds=0))
    return _go(request, f"{SIGN_IN}?{urlencode({FIELD: SIGNED_OUT})}")


def _has_signed_in() -> bool:
    context = request_context.current()
    return context.scopes is None or context.caller != request_context.ANYONE


def _go(request: Request, path: str) -> Response:
    return RedirectResponse(f"{request.scope.get('root_path', '')}{path}", status_code=_SEE_OTHER)
