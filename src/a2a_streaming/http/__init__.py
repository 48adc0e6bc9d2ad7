"""HTTP: applications, endpoints and streams."""

# First: loaded by a2a-sdk's server parts, in their midst, its client would lack gRPC in 0.3.
import a2a.client  # noqa: F401  # pyright: ignore[reportUnusedImport]

from a2a_streaming.http.app import create_app

__all__ = ["create_app"]
