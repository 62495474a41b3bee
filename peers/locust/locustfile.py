"""The article's load test, as a Locust file.

`PublishUser` measures only `send`, which hands the record to a thread of the client. `RoundTripUser` waits for the
reply, as the article's final file does. It keeps three faults of that file. Nothing waits for the listener's
partitions, so the first replies are missed. `wait` returns False after its time-out, and the file ignores that. Locust
rounds to whole milliseconds.
"""

import json
import os
from urllib.parse import urlparse
from uuid import uuid4
from weakref import WeakValueDictionary

import gevent
from gevent.event import Event
from kafka import KafkaConsumer, KafkaProducer
from locust import User, events, task

TOPIC = os.environ.get("TOPIC", "createOrder")
REPLY_TOPIC = os.environ.get("REPLY_TOPIC", TOPIC + ".reply")
TIMEOUT = float(os.environ.get("REPLY_TIMEOUT", "30"))
ORDER = json.dumps({"items": [{"sku": "id-1234", "count": 1}]}).encode()


class Listener:
    """Reads replies, and wakes the users that wait for them."""

    def __init__(self, brokers: str) -> None:
        self._consumer = KafkaConsumer(REPLY_TOPIC, bootstrap_servers=brokers)
        self._waiting: WeakValueDictionary[bytes, Event] = WeakValueDictionary()

    def expect(self, request_id: bytes) -> Event:
        return self._waiting.setdefault(request_id, Event())

    def run(self) -> None:
        for record in self._consumer:
            request_id = dict(record.headers).get("x-request-id")
            if (event := self._waiting.get(request_id)) is not None:
                event.set()


@events.test_start.add_listener
def listen(environment, **_):
    environment.listener = Listener(urlparse(environment.host).netloc)
    gevent.spawn(environment.listener.run)


class KafkaUser(User):
    abstract = True

    def __init__(self, environment) -> None:
        super().__init__(environment)
        self.producer = KafkaProducer(bootstrap_servers=urlparse(self.host).netloc)

    def publish(self, request_id: bytes) -> None:
        headers = [("reply-to", REPLY_TOPIC.encode()), ("x-reply-set-header", b"x-request-id:" + request_id)]
        self.producer.send(topic=TOPIC, value=ORDER, headers=headers)


class PublishUser(KafkaUser):
    @task
    def create_order(self) -> None:
        with self.environment.events.request.measure("KAFKA", "createOrder"):
            self.publish(str(uuid4()).encode())


class RoundTripUser(KafkaUser):
    @task
    def create_order(self) -> None:
        request_id = str(uuid4()).encode()
        with self.environment.events.request.measure("KAFKA", "createOrder"):
            event = self.environment.listener.expect(request_id)
            self.publish(request_id)
            event.wait(timeout=TIMEOUT)
