"""The demonstration: a plausible French territory, played through the HTTP API as its services would."""
