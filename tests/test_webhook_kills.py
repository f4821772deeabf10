"""A short run of `tests.campaigns.webhook_kills`."""

from tests.campaigns.webhook_kills import campaign


async def test_what_a_killed_process_was_delivering_is_delivered_by_the_next_in_order(database_url: str) -> None:
    found = await campaign(database_url, deliveries=200, kills=2)
    assert (found.deliveries, found.states, found.lost, found.out_of_order) == (200, {"delivered": 200}, 0, 0)
    assert found.requests > 200
    assert found.repeated > 0
