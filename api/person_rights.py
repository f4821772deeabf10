"""What answers for the rights of persons, put together from what a process has open."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import tzinfo
from uuid import UUID

from api.erasure_runner import ErasureRunner
from api.runtime import Runtime
from application.access_log import AccessLog
from application.accesses import Accesses
from application.erasure import ERASED_CHANNEL, BlindIndex, Erasures, Means
from application.pathways import Pathways
from application.retention import Retention
from application.rights import Rights
from application.snapshots import Snapshots
from application.subject_access import SubjectAccesses
from domain.clock import Clock
from domain.retention import RetentionPolicy
from infrastructure.database import Pool
from infrastructure.erasure import PostgresTraces
from infrastructure.event_log import PostgresEventLog
from infrastructure.pruning import PostgresPruning
from infrastructure.settings import Settings
from infrastructure.vault_calls import Vault
from projections.follower import Follower
from projections.forgetting import FollowedReadModels
from projections.retention_clocks import FoldedClocks


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonRights:
    erasures: Erasures
    rights: Rights
    retention: Retention
    subject_accesses: SubjectAccesses


def forget_told(pathways: Pathways, payload: str) -> None:
    """Let go of the pathway that another process names over `ERASED_CHANNEL`."""
    territory, _, pathway_id = payload.rpartition(" ")
    pathways.forget(territory, UUID(pathway_id))


def eraser(runtime: Runtime) -> ErasureRunner:
    return ErasureRunner(
        runtime.pool, runtime.log, runtime.erasures, runtime.retention, runtime.clock, runtime.erasure_asked
    )


def person_rights(  # noqa: PLR0913 (all that holds something of a person)
    *,
    settings: Settings,
    clock: Clock,
    pool: Pool,
    log: PostgresEventLog,
    pathways: Pathways,
    vault: Vault,
    snapshots: Snapshots,
    follower: Follower,
    blind_index: BlindIndex,
    access_log: AccessLog,
    accesses: Accesses,
    zone_of: Callable[[str], tzinfo],
) -> PersonRights:
    log.hear(ERASED_CHANNEL, lambda payload: forget_told(pathways, payload))
    traces = PostgresTraces(pool)
    policy = RetentionPolicy(
        used_months=settings.retention_used_months, archived_months=settings.retention_archived_months
    )
    means = Means(
        vault=vault.keys,
        epochs=vault.epochs,
        snapshots=snapshots,
        read_models=FollowedReadModels(pool, follower),
        blind_index=blind_index,
        traces=traces,
        pruning=PostgresPruning(pool),
    )
    erasures = Erasures(log, clock, means)
    rights = Rights(log, clock, vault.keys, snapshots, traces, zone_of)
    return PersonRights(
        erasures=erasures,
        rights=rights,
        retention=Retention(FoldedClocks(pool), rights, erasures, clock, policy, zone_of),
        subject_accesses=SubjectAccesses(log, pathways, access_log, accesses, traces, clock, policy, zone_of),
    )
