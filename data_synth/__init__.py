"""A synthetic lung-cancer network whose truth is known."""
