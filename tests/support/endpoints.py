"""Endpoints that have shown that they want to be told, by telling Unisson what it asked of them."""

from uuid import UUID

from application.message_types import CHALLENGE_MESSAGE
from application.webhooks import NewEndpoint, Webhooks
from infrastructure.database import Pool
from tests.support.service import Agency

ENDPOINTS = "/v1/webhook-endpoints"
ASKED = "SELECT challenge FROM webhook_endpoints WHERE endpoint_id = $1"
FORGET = "DELETE FROM outbox WHERE endpoint_id = $1 AND type = $2"


async def verify(pool: Pool, webhooks: Webhooks, made: NewEndpoint) -> UUID:
    """As an owner does who read the challenge in the requests to the address. What was sent of it is forgotten."""
    endpoint = made.endpoint
    challenge = await pool.fetchval(ASKED, endpoint.endpoint_id)
    await webhooks.verify(endpoint.territory, endpoint.agency, endpoint.endpoint_id, challenge, endpoint.created_at)
    await pool.execute(FORGET, endpoint.endpoint_id, CHALLENGE_MESSAGE)
    return endpoint.endpoint_id


async def verified(agency: Agency, pool: Pool, url: str) -> str:
    """Register over HTTP, and verify; the endpoint's address."""
    made = await agency.command(ENDPOINTS, {"url": url})
    assert made.status_code == 201, made.text
    path = f"{ENDPOINTS}/{made.json()['id']}"
    challenge = await pool.fetchval(ASKED, UUID(made.json()["id"]))
    answer = await agency.command(f"{path}/verifications", {"challenge": challenge})
    assert answer.json()["status"] == "active", answer.text
    await pool.execute(FORGET, UUID(made.json()["id"]), CHALLENGE_MESSAGE)
    return path
