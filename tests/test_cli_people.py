"""Software is registered by its public key, roles are decided at the machine, keys of one name are two at most."""

import json
from pathlib import Path

import pytest
from joserfc.jwk import ECKey

from api.composition import compose
from application.memberships import Identity
from domain.roles import Role
from infrastructure.settings import Settings
from tests.support.command_line import Ran, unisson

TERRITORY = ("--territory", "FR-34")
SETE = (*TERRITORY, "--agency", "ccas-sete")


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> dict[str, str]:
    return {"UNISSON_DATABASE_URL": database_url, "UNISSON_DATA_DIR": str(tmp_path / "data"), "UNISSON_LANG": "en"}


def key_file(folder: Path, *, private: bool) -> str:
    file = folder / f"{'private' if private else 'public'}.jwk"
    file.write_text(json.dumps(ECKey.generate_key("P-256").as_dict(private=private)))
    return str(file)


def refused(ran: Ran, why: str) -> bool:
    return ran.status != 0 and ran.out == "" and why in ran.err and ran.err.count("\n") == 1


async def test_software_is_registered_by_its_public_key_alone(here: dict[str, str], tmp_path: Path) -> None:
    public, private = (key_file(tmp_path, private=private) for private in (False, True))
    assert refused(await unisson("clients", "create", *SETE, "--jwk", private, **here), "private key")
    assert refused(await unisson("clients", "create", *SETE, "--jwk", str(tmp_path / "none"), **here), "cannot be read")
    auditing = await unisson("clients", "create", *SETE, "--jwk", public, "--scopes", "audit:case", **here)
    assert refused(auditing, "--scopes: among")
    created = await unisson("clients", "create", *SETE, "--jwk", public, "--scopes", "read", "--json", **here)
    client = json.loads(created.out)
    assert (client["scopes"], client["state"]) == (["read"], "active")
    changed = await unisson("clients", "change-keys", client["client_id"], *TERRITORY, "--jwk", public, **here)
    assert (changed.status, changed.out) == (0, "")
    assert refused(await unisson("clients", "disable", "un_cl_unknown", *TERRITORY, **here), "no software")


async def test_an_agency_holds_two_keys_of_one_name(here: dict[str, str]) -> None:
    create = ("keys", "create", *SETE, "--name", "web", "--from", "192.0.2.0/24, 2001:db8::/32")
    made = [await unisson(*create, **here) for _ in range(3)]
    assert [ran.status for ran in made] == [0, 0, 1]
    assert refused(made[2], "already has 2 keys")
    assert refused(await unisson("keys", "create", *SETE, "--from", "192.0.2.7/8", **here), "--from")


async def test_a_lead_is_approved_at_the_machine_and_a_worker_is_not(here: dict[str, str]) -> None:
    settings = Settings(data_dir=Path(here["UNISSON_DATA_DIR"]), database_url=here["UNISSON_DATABASE_URL"])
    async with compose(settings, roles=frozenset()) as runtime:
        members = runtime.members
        member_id = await members.introduce("FR-34", "ccas-sete", Identity(issuer="i", sub="s"))
        for role in (Role.LEAD, Role.WORKER):
            await members.request("FR-34", member_id, "ccas-sete", role)
    listed = json.loads((await unisson("members", "list", *TERRITORY, "--json", **here)).out)["memberships"]
    assert {(each["role"], each["state"]) for each in listed} == {("lead", "requested"), ("worker", "requested")}
    worker = await unisson("members", "approve", str(member_id), *SETE, "--role", "worker", **here)
    assert refused(worker, "for the agency's lead")
    lead = await unisson("members", "approve", str(member_id), *SETE, "--role", "lead", **here)
    assert (lead.status, lead.out) == (0, "")
