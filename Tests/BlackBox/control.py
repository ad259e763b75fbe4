"""A gateway with its control plane, and calls to its API."""

from __future__ import annotations

import json
from typing import Any

from client import Answer, ask
from gateway import Gateway, until

OWNER = "owner-key-for-tests-0123456789abcdef"


class Control(Gateway):
    """Its store lies in its own directory; the owner's key is OWNER."""

    def __init__(self, config: dict[str, Any] | None = None, access: str = "keys", **more: Any):
        super().__init__({}, **more)
        self.store = self.path / "gatehouse.db"
        config = config or {}
        control = {"enabled": True, "access": access, "owner_key": OWNER, "flush_ms": 100} | config.pop("control", {})
        control = {name: value for name, value in control.items() if value is not None}
        store = {"path": str(self.store)} | config.pop("store", {})
        # Upstreams of tests listen on loopback, which stored addresses must be allowed to name.
        self.config = {"network": {"allow_hosts": ["127.0.0.1"]}, "control": control, "store": store} | config
        self.write(self.config)

    def call(self, method: str, path: str, body: Any = None, key: str = OWNER, status: int | None = 200) -> Any:
        """The answer's JSON. `status` None takes any, and gives the whole answer."""
        answer = self.raw_call(method, path, body, key)
        if status is None:
            return answer
        assert answer.status == status, f"{method} {path}: {answer.status} {answer.text}"
        return answer.json

    def raw_call(self, method: str, path: str, body: Any = None, key: str = OWNER) -> Answer:
        return ask(self, method, "/v1" + path, body, {"x-portkey-api-key": key} if key else {})

    # What many tests begin with.

    def workspace(self, name: str, **more: Any) -> str:
        return self.call("POST", "/admin/workspaces", {"name": name, "slug": name} | more)["slug"]

    def key(self, workspace: str = "default", scopes: list[str] | None = None, **more: Any) -> tuple[str, str]:
        """(id, key) of a new service key."""
        body = {"name": "k", "workspace_id": workspace, "scopes": scopes or ["completions.write"]} | more
        made = self.call("POST", "/api-keys/workspace/service", body)
        return made["id"], made["key"]

    def virtual_key(self, slug: str, base: str, workspace: str = "default", provider: str = "openai", **more: Any) -> str:
        body = {"name": slug, "slug": slug, "provider": provider, "key": f"sk-{slug}", "custom_host": base, "workspace_id": workspace}
        return self.call("POST", "/virtual-keys", body | more)["slug"]

    def chat(self, key: str, headers: dict[str, str] | None = None, **body: Any) -> Answer:
        return ask(
            self, "POST", "/v1/chat/completions", {"model": "m", "messages": [{"role": "user", "content": "hi"}]} | body,
            {"x-portkey-api-key": key} | (headers or {}))
