"""The HTTP interface: `/v1/…` over the Engine, health, metrics, and the browser interface at `/`.

It is made for the machine it runs on: no accounts, no CORS, only known Host headers, no reading of
URLs or of paths outside the folders that the operator names.
"""

from app.http.application import create_app

__all__ = ["create_app"]
