"""The commands, each one call and its answer: `sweeps.cli` puts them together."""
