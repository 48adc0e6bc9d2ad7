"""HTTP: applications, endpoints and streams."""

from a2a_streaming.http.app import create_app

__all__ = ["create_app"]
