"""Engagement contracts."""

from datetime import date, timedelta

import pytest

from domain.contract import ContractEnded, ContractKind, ContractSigned, EndContract, SignContract
from domain.dates import EndsBeforeStart, ImplausibleDate, NotYetHappened
from domain.errors import DomainError
from domain.pathway import ImpossibleTransition, OutOfOrder, UnknownEntry
from tests.support.pathways import TODAY, ago, an_id, given

CONTRACT = an_id("contract")
IN_A_YEAR = TODAY + timedelta(days=365)


def signed() -> SignContract:
    return SignContract(kind=ContractKind.CEJ, on=ago(30), until=IN_A_YEAR, id=CONTRACT)


def test_a_contract_lasts_until_its_term() -> None:
    given().when(signed()).then_recorded(ContractSigned).then_fact(
        "engagement_contract", kind="cej", start=ago(30), end=IN_A_YEAR, status="signed"
    )


def test_a_contract_may_end_before_its_term() -> None:
    given(signed()).when(EndContract(contract_id=CONTRACT, on=ago(1))).then_recorded(ContractEnded).then_fact(
        "engagement_contract", end=ago(1), status="ended"
    )


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (SignContract(kind=ContractKind.CER, on=IN_A_YEAR), NotYetHappened),
        (SignContract(kind=ContractKind.CER, on=ago(1), until=ago(2)), EndsBeforeStart),
        (SignContract(kind=ContractKind.CER, until=date(9999, 1, 1)), ImplausibleDate),
        (EndContract(contract_id=an_id("?")), UnknownEntry),
        (EndContract(contract_id=CONTRACT, on=ago(31)), OutOfOrder),
        (EndContract(contract_id=CONTRACT, on=IN_A_YEAR), NotYetHappened),
    ],
)
def test_a_contract_is_refused(command: SignContract, error: type[DomainError]) -> None:
    given(signed()).when(command).then_refused(error)


def test_a_contract_ends_once() -> None:
    given(signed(), EndContract(contract_id=CONTRACT)).when(EndContract(contract_id=CONTRACT)).then_refused(
        ImpossibleTransition
    )
