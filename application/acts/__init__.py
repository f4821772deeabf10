"""The acts that would put a situation back in step: sketched from its rule, tried on a copy of the pathway, ranked."""
