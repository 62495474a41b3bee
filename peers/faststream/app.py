"""FastStream: sends the return value, with `correlation_id`, to the topic that the header `reply_to` names.

By default, it handles one record at a time. Every five seconds it commits, even if the last record is not handled yet.
"""

import asyncio
import os
from uuid import uuid4

from faststream import FastStream
from faststream.kafka import KafkaBroker
from pydantic import BaseModel


class Item(BaseModel):
    sku: str
    count: int


class Order(BaseModel):
    items: list[Item]


class Created(BaseModel):
    id: str
    items: list[Item]


broker = KafkaBroker(os.environ["KAFKA"])


@broker.subscriber(os.environ["TOPIC"], group_id=os.environ["GROUP"], auto_offset_reset="earliest")
async def create_order(order: Order) -> Created:
    return Created(id=str(uuid4()), items=order.items)


asyncio.run(FastStream(broker).run())
