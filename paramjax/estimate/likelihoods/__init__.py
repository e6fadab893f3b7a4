"""Maximum likelihood: any log probability, one fit."""
