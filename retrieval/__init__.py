"""The core of Sceneprint: media in; searchable, matchable, classifiable scenes out.

`Engine` (retrieval.engine) is the one door for every front. Inside, the order is
`types, errors <- media, encoders, catalog <- ingest, search, match, classify <- engine`.
"""
