"""What a process of the service may do. Several processes may share the roles, or each have them all."""

ROLES = frozenset({"api", "followers", "notifications", "sealer"})
