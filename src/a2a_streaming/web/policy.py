"""What browsers are told about pages and files: what they may load, who may frame them, and what they may use.

Nothing runs but our own files: no inline script or style, and no text becomes markup unseen (`Trusted Types`).
"""

from __future__ import annotations

from collections.abc import Sequence

_POLICY = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data: blob:",
    "connect-src 'self'",
    "font-src 'self'",
    "frame-src 'self' blob:",
    "worker-src 'self'",
    "manifest-src 'self'",
    "base-uri 'none'",
    "form-action 'self'",
    "require-trusted-types-for 'script'",
    "trusted-types a2a",  # the worker's script, and nothing else
)
_UNUSED = (
    *("accelerometer", "camera", "display-capture", "geolocation", "gyroscope"),
    *("hid", "idle-detection", "local-fonts", "magnetometer", "microphone", "midi", "payment"),
    *("publickey-credentials-get", "serial", "usb", "xr-spatial-tracking"),
)
"""What no page of ours asks a browser for."""


def headers_of_pages(framed_by: Sequence[str] = ()) -> dict[str, str]:
    """Return the headers of a page.

    Args:
        framed_by: Origins whose pages may show it in a frame; ours may then, too.
    """
    return {
        "content-security-policy": _policy(framed_by),
        "cross-origin-opener-policy": "same-origin",
        "permissions-policy": ", ".join(f"{name}=()" for name in _UNUSED),
        "referrer-policy": "same-origin",
        "x-content-type-options": "nosniff",
    }


def headers_of_files(*, elsewhere: bool = False) -> dict[str, str]:
    """Return the headers of a file that pages use. A worker has its policy from its own file.

    Args:
        elsewhere: Whether pages of other origins may use it, too.
    """
    return {
        "content-security-policy": _policy(()),
        "cross-origin-resource-policy": "cross-origin" if elsewhere else "same-origin",
        "referrer-policy": "same-origin",
        "x-content-type-options": "nosniff",
    }


def _policy(framed_by: Sequence[str]) -> str:
    ancestors = " ".join(("'self'", *framed_by)) if framed_by else "'none'"
    return "; ".join((*_POLICY, f"frame-ancestors {ancestors}"))
