"""`unisson bootstrap`: one more link to come in by, for whoever may run commands on this installation."""

from api.cli import installation
from api.cli.output import Json, write_json, write_line


def bootstrap(*, json: Json = False) -> None:
    link = installation.run(_make())
    if json:
        write_json({"link": link})
    else:
        write_line(link)


async def _make() -> str:
    from api.bootstrap import bootstrap_link

    async with installation.composed() as runtime:
        return bootstrap_link(runtime.grants.issuer, await runtime.bootstrap.make())
