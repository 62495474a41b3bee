"""Serves the ASGI application from a topic: one record at a time, or a task for each record (`tasks`).

It does what the article's adapter does. It has no consumer group and commits no offsets. It answers the requests that
come after its start. A crash loses the requests in progress. A record is handled when the broker has its reply. With
`tasks`, replies come in any order.
"""

import asyncio
import os
import signal
import sys

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord

from app import application

TOPIC = os.environ["TOPIC"]


async def answer(record: ConsumerRecord, producer: AIOKafkaProducer) -> None:
    """Calls the application, and sends its response to the topic that `reply-to` names."""
    headers = [(name.lower().encode(), value) for name, value in record.headers]
    reply_to = next((value.decode() for name, value in headers if name == b"reply-to"), None)
    if reply_to is None:
        return
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "path": "/orders",
        "query_string": b"",
        "headers": [*headers, (b"content-type", b"application/json")],
    }
    start: dict = {}
    body = bytearray()

    async def receive() -> dict:
        return {"type": "http.request", "body": record.value or b"", "more_body": False}

    async def send(message: dict) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        elif message["type"] == "http.response.body":
            body.extend(message.get("body", b""))

    await application(scope, receive, send)
    own = [(name.decode(), value) for name, value in start["headers"]]
    status = ("status-code", str(start["status"]).encode())
    await producer.send_and_wait(reply_to, bytes(body), key=record.key, headers=[status, *own])


async def serve(in_tasks: bool) -> None:
    consumer = AIOKafkaConsumer(TOPIC, bootstrap_servers=os.environ["KAFKA"])
    producer = AIOKafkaProducer(bootstrap_servers=os.environ["KAFKA"])
    await consumer.start()
    await producer.start()
    for partition in consumer.assignment():
        # A consumer without a group starts at the end of the topic. Look that position up before the first request.
        await consumer.position(partition)
    print("ready", flush=True)
    tasks: set[asyncio.Task] = set()
    try:
        async for record in consumer:
            if in_tasks:
                task = asyncio.create_task(answer(record, producer))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            else:
                await answer(record, producer)
    finally:
        await asyncio.gather(*tasks, return_exceptions=True)
        await consumer.stop()
        await producer.stop()


async def main() -> None:
    work = asyncio.create_task(serve(sys.argv[1:] == ["tasks"]))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, work.cancel)
    try:
        await work
    except asyncio.CancelledError:
        pass


asyncio.run(main())
