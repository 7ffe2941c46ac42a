"""The client's webhooks against the real API."""

import pytest

from descent import Client
from descent.errors import InvalidPayload, NotFound
from tests.descent.conftest import SPEC


def test_webhooks_by_the_client(client: Client) -> None:
    hook = client.create_webhook("https://receiver.invalid/x", events=["job.queued"])
    assert hook["secret"].startswith("whsec_")
    assert [found["id"] for found in client.webhooks()] == [hook["id"]]
    client.submit(SPEC)
    client.test_webhook(hook["id"])
    sent = list(client.webhook_deliveries(hook["id"]))
    assert [entry["type"] for entry in sent] == ["webhook.test", "job.queued"]
    assert client.redeliver(hook["id"], sent[0]["id"])["id"] == sent[0]["id"]
    assert client.update_webhook(hook["id"], enabled=False)["enabled"] is False
    assert client.webhook(hook["id"])["disabled_reason"] is not None
    client.delete_webhook(hook["id"])
    with pytest.raises(NotFound):
        client.webhook(hook["id"])
    with pytest.raises(InvalidPayload):
        client.create_webhook("https://127.0.0.1/")
