"""Webhooks: URLs that are told what happens."""

from collections.abc import Iterator, Sequence
from typing import Any, cast

from descent.transport import Routes, document
from descent.types import SecretWebhook, Webhook, WebhookDelivery


class WebhookRoutes(Routes):
    def webhooks(self) -> Iterator[Webhook]:
        """All, the newest first, without their secrets."""
        return cast(Iterator[Webhook], self._pages("/v1/webhooks"))

    def webhook(self, webhook_id: str) -> Webhook:
        return cast(Webhook, self.transport.get(f"/v1/webhooks/{webhook_id}"))

    def create_webhook(
        self, url: str, *, events: Sequence[str] | None = None, name: str | None = None, secret: str | None = None
    ) -> SecretWebhook:
        """Its `secret` (`whsec_…`) stands in this answer only. Without `events` it is told of everything."""
        wanted = None if events is None else list(events)
        body = {"url": url, "events": wanted, "name": name, "secret": secret}
        return cast(SecretWebhook, self.transport.post("/v1/webhooks", body, repeatable=False))

    def update_webhook(self, webhook_id: str, **changes: Any) -> Webhook:
        """`url`, `events`, `name`, `secret`, `enabled`."""
        return cast(Webhook, document(self.transport.request("PATCH", f"/v1/webhooks/{webhook_id}", body=changes)))

    def delete_webhook(self, webhook_id: str) -> None:
        self.transport.request("DELETE", f"/v1/webhooks/{webhook_id}", repeatable=False)

    def test_webhook(self, webhook_id: str) -> WebhookDelivery:
        """Send a message of the type `webhook.test`."""
        return cast(WebhookDelivery, self.transport.post(f"/v1/webhooks/{webhook_id}/test", repeatable=False))

    def webhook_deliveries(self, webhook_id: str) -> Iterator[WebhookDelivery]:
        """What was sent or waits to be, the newest first."""
        return cast(Iterator[WebhookDelivery], self._pages(f"/v1/webhooks/{webhook_id}/deliveries"))

    def redeliver(self, webhook_id: str, delivery_id: str) -> WebhookDelivery:
        """Send a message again, under the same id."""
        path = f"/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver"
        return cast(WebhookDelivery, self.transport.post(path))

    def _pages(self, path: str) -> Iterator[Any]:
        after: str | None = None
        while True:
            page = self.transport.get(path, {"after": after, "limit": 200})
            yield from page["data"]
            if not page["has_more"]:
                return
            after = page["data"][-1]["id"]
