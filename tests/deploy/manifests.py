"""What is applied to Kubernetes, as an overlay makes it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from programs import path_of

KUBERNETES = Path(__file__).parent.parent.parent / "deploy" / "kubernetes"
OVERLAYS = ("dev", "production", "cluster")
Resource = dict[str, Any]


class Manifest:
    """All resources of an overlay.

    Args:
        text: As `kubectl kustomize` writes them.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.resources: list[Resource] = list(yaml.safe_load_all(text))

    def of(self, *kinds: str) -> list[Resource]:
        """The resources of some kinds."""
        return [one for one in self.resources if one["kind"] in kinds]

    def one(self, kind: str, name: str) -> Resource:
        """The resource of a name; what kustomize adds to names of generated ones left out."""
        [found] = [
            one
            for one in self.of(kind)
            if one["metadata"]["name"] == name or one["metadata"]["name"].rpartition("-")[0] == name
        ]
        return found

    def pods(self) -> Iterator[tuple[str, Resource]]:
        """Every pod's template, with the name of what makes them."""
        for one in self.of("Deployment", "StatefulSet", "Job"):
            yield one["metadata"]["name"], one["spec"]["template"]

    def ours(self) -> list[Resource]:
        """The deployments that run a2a_streaming."""
        return self.of("Deployment")

    def chosen(self, labels: dict[str, str]) -> list[str]:
        """The names of what makes pods with these labels."""
        return [
            name
            for name, template in self.pods()
            if labels.items() <= template["metadata"]["labels"].items()
        ]


def rendered(overlay: str) -> Manifest:
    """An overlay's resources."""
    made = subprocess.run(
        [path_of("kubectl"), "kustomize", str(KUBERNETES / "overlays" / overlay)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    return Manifest(made.stdout)


def container(template: Resource) -> Resource:
    """A pod's only container."""
    [only] = template["spec"]["containers"]
    return only
