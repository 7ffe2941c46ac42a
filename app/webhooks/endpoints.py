"""Webhooks over HTTP."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Response

from app.bodies import read_as
from app.dependencies import After, JsonBody, Limit, SessionDep, allow, known_shape, reply
from app.jobs.schemas import Order
from app.openapi import errors, json_body
from app.webhooks import service
from app.webhooks.schemas import Delivery, DeliveryList, NewWebhook, SecretWebhook, Webhook, WebhookChange, WebhookList

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])
READ = [Depends(allow("read"))]
WRITE = [Depends(allow("write"))]
EXAMPLE = {"url": "https://receiver.example/descent", "events": ["job.succeeded", "job.failed"], "name": "pager"}


def body(name: str, example: dict[str, Any]) -> dict[str, Any]:
    return json_body({"$ref": f"#/components/schemas/{name}"}, example)


async def webhook_id(webhook_id: Annotated[str, Path(examples=["wh_01k0a8m3x5v7w9y1z3b5d7f9h1"])]) -> str:
    return known_shape(webhook_id)


async def delivery_id(delivery_id: Annotated[str, Path(examples=["msg_0199d1f7c3a40f5b8e2d6c9a1b"])]) -> str:
    return known_shape(delivery_id)


WebhookId = Annotated[str, Depends(webhook_id)]
DeliveryId = Annotated[str, Depends(delivery_id)]


@router.get("", dependencies=READ, responses={200: {"model": WebhookList}, **errors()})
def list_webhooks(session: SessionDep, after: After = None, limit: Limit = 20, order: Order = "desc") -> Response:
    """Webhooks, without their secrets."""
    return reply(service.listing(session, after=after, limit=limit, newest_first=order == "desc"))


@router.post(
    "",
    status_code=201,
    dependencies=WRITE,
    responses={201: {"model": SecretWebhook}, **errors(429)},
    openapi_extra=body("NewWebhook", EXAMPLE),
)
def create_webhook(session: SessionDep, document: JsonBody) -> Response:
    """Tell a URL what happens, signed by a secret that stands in this answer only."""
    return reply(service.create(session, read_as(NewWebhook, document)), 201)


@router.get("/{webhook_id}", dependencies=READ, responses={200: {"model": Webhook}, **errors()})
def show_webhook(webhook_id: WebhookId, session: SessionDep) -> Response:
    return reply(service.show(session, webhook_id))


@router.patch(
    "/{webhook_id}",
    dependencies=WRITE,
    responses={200: {"model": Webhook}, **errors()},
    openapi_extra=body("WebhookChange", {"enabled": True}),
)
def change_webhook(webhook_id: WebhookId, session: SessionDep, document: JsonBody) -> Response:
    """Another URL, name, secret or list of events; enable or disable it."""
    return reply(service.change(session, webhook_id, read_as(WebhookChange, document)))


@router.delete("/{webhook_id}", status_code=204, dependencies=WRITE, responses=errors())
def delete_webhook(webhook_id: WebhookId, session: SessionDep) -> Response:
    """With its deliveries, those that wait among them."""
    service.remove(session, webhook_id)
    return Response(status_code=204)


@router.post(
    "/{webhook_id}/test", status_code=202, dependencies=WRITE, responses={202: {"model": Delivery}, **errors(409)}
)
def test_webhook(webhook_id: WebhookId, session: SessionDep) -> Response:
    """Send a message of the type `webhook.test`; what became of it stands in the deliveries."""
    return reply(service.test(session, webhook_id), 202)


@router.get("/{webhook_id}/deliveries", dependencies=READ, responses={200: {"model": DeliveryList}, **errors()})
def list_deliveries(
    webhook_id: WebhookId,
    session: SessionDep,
    after: After = None,
    limit: Limit = 20,
    order: Order = "desc",
    status: Annotated[Literal["pending", "delivered", "failed"] | None, Query()] = None,
) -> Response:
    """What was sent in the last 30 days or waits to be, with what the receiver last said."""
    newest_first = order == "desc"
    return reply(
        service.deliveries(session, webhook_id, status=status, after=after, limit=limit, newest_first=newest_first)
    )


@router.post(
    "/{webhook_id}/deliveries/{delivery_id}/redeliver",
    status_code=202,
    dependencies=WRITE,
    responses={202: {"model": Delivery}, **errors(409)},
)
def redeliver(webhook_id: WebhookId, delivery_id: DeliveryId, session: SessionDep) -> Response:
    """Send a message again, under the same id."""
    return reply(service.redeliver(session, webhook_id, delivery_id), 202)
