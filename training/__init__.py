"""Commands that train, evaluate and forecast; not part of the wheel."""
