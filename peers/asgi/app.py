"""The orders application in FastAPI, as for HTTP. With ORDERS_STORE=1 it saves each order in the store at STORE."""

import json
import os
from uuid import uuid4

import redis.asyncio as redis
from fastapi import FastAPI
from pydantic import BaseModel
from starlette.types import ASGIApp, Message, Receive, Scope, Send

app = FastAPI()


class Item(BaseModel):
    sku: str
    count: int


class Order(BaseModel):
    items: list[Item]


class Store:
    """Saves orders as JSON documents if the server supports them, otherwise as JSON text."""

    def __init__(self, url: str) -> None:
        self._client = redis.from_url(url)
        self._has_documents = True

    async def save(self, key: str, order: dict) -> None:
        if self._has_documents:
            try:
                await self._client.json().set(key, "$", order)
                return
            except redis.ResponseError as error:
                if "unknown command" not in str(error).lower():
                    raise
                self._has_documents = False
        await self._client.set(key, json.dumps(order))


store = Store(os.environ["STORE"]) if os.environ.get("ORDERS_STORE") == "1" else None


@app.post("/orders")
async def create_order(order: Order) -> dict:
    order_id = str(uuid4())
    content = order.model_dump()
    if store is not None:
        await store.save(f"order:{order_id}", content)
    return {"id": order_id, **content}


class EchoSetHeader:
    """Adds the header `name: value` to the reply if the request has `x-reply-set-header: name:value`."""

    def __init__(self, inner: ASGIApp) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = [value for name, value in scope.get("headers", []) if name == b"x-reply-set-header"]
        pairs = [value.split(b":", 1) for value in asked if b":" in value]

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = [(name.strip(), value.lstrip()) for name, value in pairs]
                message = {**message, "headers": [*message.get("headers", []), *own]}
            await send(message)

        await self._inner(scope, receive, with_headers)


application = EchoSetHeader(app)
