"""The routes of the REST contract, in the groups that its document has."""
