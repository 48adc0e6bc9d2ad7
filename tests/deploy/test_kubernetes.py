"""What is applied to Kubernetes: valid, and its parts know each other and the program by their right names."""

from __future__ import annotations

import re
import subprocess
from base64 import b64decode
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from typer.main import get_command

from a2a_streaming.backbone.server import find_server
from a2a_streaming.cli.main import app
from a2a_streaming.settings import Settings
from a2a_streaming.version import VERSION
from deploy.manifests import KUBERNETES, OVERLAYS, Manifest, container, rendered
from programs import needs, path_of

DEPLOY = KUBERNETES.parent
CUSTOM = {"HTTPRoute", "ScaledObject", "ServiceMonitor", "PrometheusRule"}
"""Kinds that others define."""
FOREIGN = {"FORWARDED_ALLOW_IPS"}
"""Variables of uvicorn's."""


@pytest.fixture(scope="module", params=OVERLAYS)
def manifest(request: pytest.FixtureRequest) -> Manifest:
    """Each overlay."""
    return rendered(request.param)


@pytest.fixture(scope="module")
def production() -> Manifest:
    """The one with all components."""
    return rendered("production")


pytestmark = needs("kubectl")


@needs("kubernetes-validate")
@pytest.mark.parametrize("version", ["1.32", "1.37"])
def test_all_that_kubernetes_itself_knows_is_valid(version: str, tmp_path: Path) -> None:
    files: list[str] = []
    for overlay in ("dev", "cluster"):  # the latter is production, and more
        file = tmp_path / f"{overlay}.yaml"
        core = [one for one in rendered(overlay).resources if one["kind"] not in CUSTOM]
        file.write_text(yaml.safe_dump_all(core))
        files.append(str(file))
    checked = subprocess.run(
        [path_of("kubernetes-validate"), "-k", version, "--strict", *files],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "WARN" not in checked.stdout + checked.stderr


def test_every_pod_is_locked_down(manifest: Manifest) -> None:
    for name, template in manifest.pods():
        pod, only = template["spec"], container(template)
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert only["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name
        assert {"cpu", "memory"} <= only["resources"]["requests"].keys(), name
        assert "memory" in only["resources"]["limits"], name
        assert ":latest" not in only["image"], name
        assert ":" in only["image"].rpartition("/")[2], name


@pytest.mark.parametrize("overlay", ["production", "cluster"])
def test_nothing_secret_stands_in_what_production_is_made_of(overlay: str) -> None:
    manifest = rendered(overlay)
    assert not manifest.of("Secret")
    assert "for-development" not in manifest.text
    assert not re.search(r"://[^/\s]*:[^/\s]*@", manifest.text), "a URL with a password"


def _variables(manifest: Manifest) -> list[tuple[str, str]]:
    """Each variable with whom it is told."""
    found = [("a2a-streaming", name) for name in manifest.one("ConfigMap", "a2a-streaming")["data"]]
    for secret in manifest.of("Secret"):
        found += [(secret["metadata"]["name"], name) for name in secret["data"]]
    for name, template in manifest.pods():
        found += [(name, one["name"]) for one in container(template).get("env", ())]
    return found


def test_every_setting_that_is_told_is_one(manifest: Manifest) -> None:
    known = {f"A2A_{name.upper()}" for name in Settings.model_fields}
    for whom, name in _variables(manifest):
        if name.startswith("A2A_"):
            assert name in known, f"{whom} is told {name}"
    ours = {one["metadata"]["name"] for one in manifest.ours()}
    told = {name for whom, name in _variables(manifest) if whom in ours}
    assert {name for name in told if not name.startswith("A2A_")} <= FOREIGN


def test_every_command_is_one_that_can_be_run(manifest: Manifest) -> None:
    command: Any = get_command(app)
    for one in manifest.ours():
        name, *arguments = container(one["spec"]["template"])["args"]
        parsed = command.commands[name].make_context(name, list(arguments))
        assert parsed.params["host"] == "0.0.0.0"
        [port] = container(one["spec"]["template"])["ports"]
        assert parsed.params["port"] == port["containerPort"]
        labels = one["metadata"]["labels"]
        if name == "serve":
            assert parsed.params["target"] == labels["a2a-streaming/agent"]
            assert parsed.params["role"].value == labels["a2a-streaming/role"]
        else:
            assert labels["a2a-streaming/role"] == name


def test_a_pod_is_given_the_time_that_its_end_takes(manifest: Manifest) -> None:
    settings = Settings.model_construct()
    for one in manifest.ours():
        pod = one["spec"]["template"]["spec"]
        only = container(one["spec"]["template"])
        pause = only["lifecycle"]["preStop"]["sleep"]["seconds"]
        # Agents that are handed over, connections that end, posts to webhooks that are under way, a collector of traces.
        takes = settings.cancel_seconds + 1 + 5 + settings.push_timeout + 3
        assert pause + takes < pod["terminationGracePeriodSeconds"]
        probes = {
            kind: only[f"{kind}Probe"]["httpGet"] for kind in ("startup", "readiness", "liveness")
        }
        assert probes == {
            "startup": {"path": "/healthz", "port": "http"},
            "readiness": {"path": "/readyz", "port": "http"},
            "liveness": {"path": "/healthz", "port": "http"},
        }
        # Redis may take that long to be away: until then a process isn't, either.
        assert only["readinessProbe"]["timeoutSeconds"] > settings.redis_timeout
        assert one["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_services_and_budgets_choose_the_pods_of_one_deployment(manifest: Manifest) -> None:
    ours = [one["metadata"]["name"] for one in manifest.ours()]
    budgets = {
        one["metadata"]["name"]: manifest.chosen(one["spec"]["selector"]["matchLabels"])
        for one in manifest.of("PodDisruptionBudget")
    }
    assert budgets.items() >= {name: [name] for name in ours}.items()
    for service in manifest.of("Service"):
        name, chosen = service["metadata"]["name"], manifest.chosen(service["spec"]["selector"])
        assert chosen == ([name] if name != "a2a-streaming-metrics" else ours)
        [one, *_] = [template for maker, template in manifest.pods() if maker in chosen]
        ports = {port["name"]: port["containerPort"] for port in container(one)["ports"]}
        for port in service["spec"]["ports"]:
            assert ports[port["targetPort"]] == port["port"]


def test_the_intent_agent_asks_services_that_are_there(manifest: Manifest) -> None:
    told = manifest.one("ConfigMap", "a2a-streaming")["data"]["A2A_AGENTS"]
    for url in told.split(","):
        host, _, port = url.removeprefix("http://").partition(":")
        assert manifest.one("Service", host)["spec"]["ports"][0]["port"] == int(port)


def test_what_is_tried_out_finds_its_stores() -> None:
    manifest = rendered("dev")
    told = manifest.one("Secret", "a2a-streaming")["data"]
    words = {
        name: b64decode(manifest.one("Secret", store)["data"][name]).decode()
        for store, name in (("valkey", "VALKEY_PASSWORD"), ("postgresql", "POSTGRES_PASSWORD"))
    }
    for setting, password in (
        ("A2A_REDIS_URL", words["VALKEY_PASSWORD"]),
        ("A2A_DATABASE_URL", words["POSTGRES_PASSWORD"]),
    ):
        url = urlsplit(b64decode(told[setting]).decode())
        assert url.password == password
        assert manifest.one("Service", url.hostname or "")["spec"]["ports"][0]["port"] == url.port


def test_what_scales_names_what_is_there_and_figures_that_are_told(production: Manifest) -> None:
    scaled = {
        one["metadata"]["name"]: one
        for one in production.of("HorizontalPodAutoscaler", "ScaledObject")
    }
    roles = {one["metadata"]["name"]: one for one in production.ours()}
    assert scaled.keys() == roles.keys() - {"ops"}
    documented = (DEPLOY.parent / "docs" / "telemetry.md").read_text()
    limits = Settings.model_construct()
    for name, one in scaled.items():
        assert one["spec"]["scaleTargetRef"]["name"] == name
        assert "replicas" not in roles[name]["spec"], "what scales it says how many there are"
        if one["kind"] == "ScaledObject":
            agent = roles[name]["metadata"]["labels"]["a2a-streaming/agent"]
            [trigger] = one["spec"]["triggers"]
            assert set(re.findall(r'agent="(\w+)"', trigger["metadata"]["query"])) == {agent}
            figures = re.findall(r"a2a_\w+", trigger["metadata"]["query"])
            assert float(trigger["metadata"]["threshold"]) < limits.max_runs
            assert trigger["metricType"] == "AverageValue", "a fallback needs it"
            assert one["spec"]["minReplicaCount"] <= one["spec"]["fallback"]["replicas"]
        else:
            [pods] = [
                metric["pods"] for metric in one["spec"]["metrics"] if metric["type"] == "Pods"
            ]
            figures = [pods["metric"]["name"]]
            assert int(pods["target"]["averageValue"]) < limits.limit_process_streams
            adapter = KUBERNETES / "components" / "autoscaling" / "prometheus-adapter.yaml"
            [rule] = yaml.safe_load(adapter.read_text())["rules"]["custom"]
            assert rule["name"]["as"] == figures[0]
            assert rule["seriesQuery"].startswith(f"{figures[0]}{{")
        for figure in figures:
            assert f"`{figure}`" in documented


def test_prometheus_asks_each_process_and_calls_them_as_the_rules_do(production: Manifest) -> None:
    [monitor] = production.of("ServiceMonitor")
    [service] = [
        one
        for one in production.of("Service")
        if monitor["spec"]["selector"]["matchLabels"].items()
        <= one["metadata"].get("labels", {}).items()
    ]
    [endpoint] = monitor["spec"]["endpoints"]
    assert endpoint["port"] in [port["name"] for port in service["spec"]["ports"]]
    job = service["metadata"]["labels"][monitor["spec"]["jobLabel"]]
    rules = yaml.safe_load((DEPLOY / "prometheus" / "rules.yml").read_text())
    [made] = production.of("PrometheusRule")
    assert made["spec"] == rules
    assert f'job="{job}"' in str(rules)


def test_the_route_leads_to_the_intent_agent_without_a_limit_of_time(production: Manifest) -> None:
    [route] = production.of("HTTPRoute")
    *hidden, open_to_all = route["spec"]["rules"]
    assert open_to_all["timeouts"] == {"request": "0s", "backendRequest": "0s"}
    [backend] = open_to_all["backendRefs"]
    service = production.one("Service", backend["name"])
    assert [port["port"] for port in service["spec"]["ports"]] == [backend["port"]]
    paths = [one["path"]["value"] for rule in hidden for one in rule["matches"]]
    assert paths == ["/metrics", "/healthz", "/readyz"]
    assert not [rule for rule in hidden if "backendRefs" in rule]


def test_nobody_reaches_anybody_but_those_who_need_to(production: Manifest) -> None:
    policies = {one["metadata"]["name"]: one["spec"] for one in production.of("NetworkPolicy")}
    assert policies["default-deny"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    into = {name for name, spec in policies.items() if "Ingress" in spec["policyTypes"]}
    assert into == {"default-deny", "clients", "specialists", "metrics"}
    fronts = {
        name
        for name, template in production.pods()
        if _matches(policies["specialists"]["podSelector"], template["metadata"]["labels"])
    }
    assert fronts == {"booking-front", "billing-front"}
    [asking] = policies["intent-asks"]["egress"][0]["to"]
    assert asking["podSelector"] == policies["specialists"]["podSelector"]
    for spec in policies.values():
        for rule in [*spec.get("ingress", ()), *spec.get("egress", ())]:
            for port in rule["ports"]:
                if isinstance(port["port"], str):
                    assert port["port"] in {"http", "redis", "bus"}
    [outside] = policies["outside"]["egress"][0]["to"]
    assert {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"} <= set(
        outside["ipBlock"]["except"]
    )


def _matches(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    return all(labels.get(one["key"]) in one["values"] for one in selector["matchExpressions"])


def test_the_version_that_is_deployed_is_this_one(manifest: Manifest) -> None:
    images = {
        container(one["spec"]["template"])["image"].rpartition("/")[2] for one in manifest.ours()
    }
    assert images == {f"a2a-streaming:{VERSION}"}


@pytest.mark.parametrize("component", ["valkey", "valkey-cluster"])
def test_a_server_takes_the_configuration_that_it_is_given(component: str, tmp_path: Path) -> None:
    told = (KUBERNETES / "components" / component / "valkey.conf").read_text()
    assert "maxmemory-policy noeviction" in told
    assert "appendonly yes" in told
    (tmp_path / "valkey.conf").write_text(re.sub(r"/data\b", str(tmp_path), told))
    cluster = (
        ["--port", "0"] if component == "valkey" else ["--port", "0", "--cluster-enabled", "no"]
    )
    command = [str(find_server()), str(tmp_path / "valkey.conf"), *cluster]
    command += ["--requirepass", "secret", "--unixsocket", str(tmp_path / "s")]
    if component == "valkey-cluster":
        command += ["--primaryauth", "secret"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        said = ""
        for line in server.stdout:
            said += line
            if "Ready to accept connections" in line:
                break
        server.terminate()
    assert "Ready to accept connections" in said, said
