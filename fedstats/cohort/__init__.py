"""Floor 4: from a site's tables to one row a patient, as a study's ``tables.toml`` and ``cohort.toml`` agree."""
