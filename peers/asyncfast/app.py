"""AsyncFast on amgi-aiokafka: the packaged successor of the article's adapter.

It handles one record at a time for each partition, and commits the handled records after each batch.
"""

import os
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Annotated
from uuid import uuid4

from amgi_aiokafka import run
from asyncfast import AsyncFast, Header
from pydantic import TypeAdapter


@dataclass
class Item:
    sku: str
    count: int


@dataclass
class Order:
    items: list[Item]


@dataclass
class Created:
    id: str
    items: list[Item]


app = AsyncFast()
created = TypeAdapter(Created)


@app.channel(os.environ["TOPIC"])
async def create_order(
    order: Order,
    reply_to: Annotated[str, Header()],
    x_reply_set_header: Annotated[str, Header()],
) -> AsyncGenerator[dict, None]:
    reply = Created(str(uuid4()), order.items)
    name, _, value = x_reply_set_header.partition(":")
    yield {
        "address": reply_to,
        "payload": created.dump_json(reply),
        "headers": [(b"status-code", b"200"), (name.encode(), value.strip().encode())],
    }


run(
    app,
    os.environ["TOPIC"],
    bootstrap_servers=os.environ["KAFKA"],
    group_id=os.environ["GROUP"],
    auto_offset_reset="earliest",
)
