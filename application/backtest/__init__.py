"""What a set of rules would have raised over histories of facts: before it is published, not after."""
