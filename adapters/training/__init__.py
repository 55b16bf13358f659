"""Training of what Sceneprint ships: needs the `train` extra (torch), never used in serving."""
