"""Where the link at the foot of each mail leads: its reader asks for no more mails, without signing in (RFC 8058).

Looking does nothing: programs that inspect mails follow its links.
"""

from litestar import Router, get, post
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from api.request import ApiRequest

POLICY = "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
PAGE = """\
<!doctype html>
<html lang="fr">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Unisson</title>
<link rel="icon" href="data:,"></head>
<body>
<h1>Unisson</h1>
{body}
</body>
</html>
"""
ASK = """\
<form method="post">
<p>Ne plus recevoir de courriels à cette adresse&nbsp;? Votre service le verra.</p>
<p lang="en">Stop receiving mails at this address? Your service will see it.</p>
<p><button>Ne plus recevoir <span lang="en">/ Stop</span></button></p>
</form>"""
DONE = """\
<p role="status">C'est fait&nbsp;: plus aucun courriel ne sera envoyé à cette adresse.</p>
<p lang="en">Done: no more mails will be sent to this address.</p>"""


@get("/unsubscribe/{token:str}", name="unsubscribe-page")
async def unsubscribe_page(token: FromPath[str]) -> ASGIResponse:  # noqa: ARG001 (only the form says whether it is good)
    """The page that asks whether the reader is sure."""
    return _page(ASK)


@post("/unsubscribe/{token:str}", name="unsubscribe", status_code=200)
async def unsubscribe(request: ApiRequest, token: FromPath[str]) -> ASGIResponse:
    """Write no more to the mailbox that was given this link. What the body says makes no difference."""
    await request.runtime.mailboxes.unsubscribe(token, request.runtime.clock.now())
    return _page(DONE)


def _page(body: str) -> ASGIResponse:
    return ASGIResponse(
        body=PAGE.format(body=body), media_type="text/html", headers={"Content-Security-Policy": POLICY}
    )


routes = Router("/", route_handlers=[unsubscribe_page, unsubscribe])
