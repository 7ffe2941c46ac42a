"""The embedded start: a real Postgres, a real Redis, the API and the workers as supervised children of one process."""
