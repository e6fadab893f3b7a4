"""How sure an estimate is: information, delta method, profiles, bootstrap, bands."""
