"""Floor 4: a study as people write it, study.toml and codebook.toml, and its results on disk."""
