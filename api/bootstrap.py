"""The page that a bootstrap link leads to. The code stands after `#`, which browsers send to nobody."""

from uuid import uuid4

import msgspec
from litestar import Response, Router, get, post
from litestar.datastructures import Cookie
from litestar.response.base import ASGIResponse

from api.bodies import BodyReader, must_be_json, well_formed
from api.limits import read_body
from api.login import HOME, begin, kept, provider_address, session_cookie
from api.replies import encode
from api.request import ApiRequest
from application.memberships import Identity
from domain.command import AgencyId, Territory

LOCAL = "urn:unisson:local"
"""Who told who somebody is, where there is no identity provider: the link itself."""
POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
PAGE = """\
<!doctype html>
<html lang="fr">
<head><meta charset="utf-8"><title>Unisson</title><link rel="icon" href="data:,"></head>
<body>
<h1>Premier exploitant</h1>
<p>Ce lien fait de vous l'exploitant de l'installation et le responsable d'un service. Il sert une fois.</p>
<form>
<p><label>Territoire <input name="territory" required placeholder="FR-34" pattern="[A-Z]{2}-[A-Z0-9]{1,12}"></label></p>
<p><label>Service <input name="agency" required placeholder="ccas-sete" pattern="[a-z0-9][a-z0-9\\-]{1,62}"></label></p>
<p><button>Continuer</button></p>
</form>
<p role="alert"></p>
<script src="/static/bootstrap.js"></script>
</body>
</html>
"""


class BootstrapBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where whoever holds the code will be operator and lead."""

    code: str
    territory: Territory
    agency: AgencyId


class Next(msgspec.Struct, kw_only=True):
    """Where to go now."""

    location: str


BODY = BodyReader(BootstrapBody)


@get("/bootstrap", name="bootstrap-page")
async def bootstrap_page() -> ASGIResponse:
    """The page that reads the code of its own address and sends it."""
    return ASGIResponse(body=PAGE, media_type="text/html", headers={"Content-Security-Policy": POLICY})


@post("/bootstrap", name="bootstrap", status_code=200)
async def bootstrap(request: ApiRequest) -> Response[bytes]:
    """Let the first operator in: by the identity provider where there is one, else at once."""
    body, runtime = await _body(request), request.runtime
    await runtime.bootstrap.must_be_good(body.code)
    if runtime.provider is not None:
        begun = begin(body.territory, body.agency, HOME, bootstrap=body.code)
        return _next(await provider_address(request, begun), kept(request, begun))
    identity = Identity(issuer=LOCAL, sub=str(uuid4()))
    member_id = await runtime.bootstrap.use(body.code, body.territory, body.agency, identity)
    shown = await runtime.sessions.open(body.territory, body.agency, member_id)
    return _next(HOME, session_cookie(request, shown))


def bootstrap_link(address: str, code: str) -> str:
    """The code stands after `#`: browsers send that part to nobody, and no server can log it."""
    return f"{address}/bootstrap#{code}"


async def _body(request: ApiRequest) -> BootstrapBody:
    must_be_json(request)
    limits = request.runtime.limits
    raw = await read_body(request.receive, request.header("content-length"), limits)
    return BODY.decode(well_formed(raw, limits))


def _next(location: str, cookie: Cookie) -> Response[bytes]:
    return Response(encode(Next(location=location)), media_type="application/json", cookies=[cookie])


routes = Router("/", route_handlers=[bootstrap_page, bootstrap])
