"""The fronts: command line, HTTP and web UI. Each parses, makes one Engine call and renders."""
