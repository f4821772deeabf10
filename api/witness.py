"""A witness over HTTP: C2SP tlog-witness, one route, for the logs that its folder names."""

from typing import Any

from litestar import Litestar, Request, Response, post

from application.witnessing import REQUEST_BYTES_MAX, OtherSize, Submission, WitnessRefusal
from infrastructure.witness_folder import WitnessFolder

SIZE = {"content-type": "text/x.tlog.size"}


def create_witness(folder: WitnessFolder) -> Litestar:
    """Nobody needs to say who they are: a checkpoint proves by itself which log it is of."""

    @post("/add-checkpoint", status_code=200)
    async def add_checkpoint(request: Request[Any, Any, Any]) -> Response[bytes]:
        try:
            line = await folder.add(Submission.parse(await request.body()))
        except OtherSize as other:
            return Response(f"{other.size}\n".encode(), status_code=other.status, headers=SIZE)
        except WitnessRefusal as refusal:
            return Response(b"", status_code=refusal.status, media_type="text/plain")
        return Response(line.encode(), media_type="text/plain; charset=utf-8")

    return Litestar(
        route_handlers=[add_checkpoint],
        request_max_body_size=REQUEST_BYTES_MAX,
        openapi_config=None,
        logging_config=None,
    )
