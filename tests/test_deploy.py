"""The examples for an operator: they parse, name real settings and roles, and copy what is there."""

import re
from configparser import ConfigParser
from pathlib import Path

import yaml

from bot.app import ROLES
from bot.channels import telegram, zalobot, zalooa
from bot.settings import Settings

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "docs" / "deploy"


def test_the_unit_of_systemd() -> None:
    unit = ConfigParser(interpolation=None, strict=True)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(DEPLOY / "tro-ly@.service", encoding="utf-8")
    assert unit["Service"]["ExecStart"].endswith("-m bot run --roles ${ROLES}")
    assert unit["Service"]["EnvironmentFile"].endswith("/%i.env")
    example = [line.split() for line in (DEPLOY / "tro-ly@.service").read_text(encoding="utf-8").splitlines() if "ROLES=" in line]
    roles = [role for _mark, _file, chosen, *_rest in example for role in chosen.removeprefix("ROLES=").split(",")]
    assert set(roles) == set(ROLES) and roles.count("web") == 2
    assert int(unit["Service"]["TimeoutStopSec"]) > 10
    # Under ProtectSystem=strict nothing else can be written to.
    assert unit["Service"]["Environment"] == f"DATA_DIR=/var/lib/{unit['Service']['StateDirectory']}"
    assert unit["Install"]["WantedBy"]


def test_the_services_of_compose() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    bots = {name: service for name, service in compose["services"].items() if "build" in service}
    roles = [role for service in bots.values() for role in service["command"][1].split(",")]
    assert set(roles) == set(ROLES) and roles.count("web") == 2
    own = {"http_port", "zalo_oauth_url", "messages_per_minute", "log_level"}
    chosen = {name for name in Settings.model_fields if name not in own and not name.endswith("api_url")}
    for service in bots.values():
        assert chosen <= {name.lower() for name in service["environment"]}, "set in .env, and not passed on"
        assert {name.lower() for name in service["environment"]} <= set(Settings.model_fields)
        assert service["build"]["dockerfile"] == "docs/deploy/Dockerfile"
    assert {volume.partition(":")[0] for service in compose["services"].values() for volume in service["volumes"]} == set(
        compose["volumes"]
    )


def test_the_proxy_passes_what_people_need_and_keeps_the_figures_inside() -> None:
    proxy = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    lines = [line.split("#")[0].strip() for line in proxy.splitlines()]
    assert all(line.endswith(("{", "}", ";")) for line in lines if line) and proxy.count("{") == proxy.count("}")
    passed = re.search(r"location ~ (\S+) \{", proxy)
    assert passed
    channels = (telegram.PATH, zalobot.PATH, zalooa.PATH, zalooa.CONNECTED)
    pages = ("/", "/chat/branch", "/ws/1", "/upload/1", "/files/x.y", "/static/chat.js")
    assert all(re.search(passed[1], path) for path in (*channels, *pages))
    assert not any(re.search(passed[1], path) for path in ("/metrics", "/healthz", "/readyz", "/chatter"))
    unit = (DEPLOY / "tro-ly@.service").read_text(encoding="utf-8")
    assert re.findall(r"server 127.0.0.1:(\d+)", proxy) == re.findall(r"ROLES=web +HTTP_PORT=(\d+)", unit)


def test_the_image_has_all_packages() -> None:
    copied = re.findall(r"^COPY (\S+)", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert packages <= set(copied) and all((ROOT / name).exists() for name in copied)
