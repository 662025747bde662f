"""Floor 2: one file a method; the site's half above, the coordinator's half below."""
