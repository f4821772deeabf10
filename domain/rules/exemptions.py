"""Facts that lift what a rule asks of an activation (`unless`)."""

from domain.rules.case import Case
from domain.rules.plan import Plan
from domain.rules.scene import Scene
from domain.rules.targets import in_window, pool_of
from domain.rules.timeline import Placed


def exempting(scene: Scene, exemption: Plan, activation: Placed) -> Placed | None:
    """The first that has come."""
    sought = exemption.sought[exemption.target]
    case = Case(scene, exemption, activation)
    for fact in in_window(scene, case, sought, pool_of(scene, case, sought)):
        return fact if scene.has_come(fact) else None
    return None
