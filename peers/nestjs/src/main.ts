// NestJS over kafkajs: sends the return value, with kafka_correlationId, to the topic that the header kafka_replyTopic
// names. By default, it handles one record at a time and commits after each batch. It does not wait until the broker has
// the reply.
import "reflect-metadata";

import { randomUUID } from "node:crypto";

import { Controller, Module } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { MessagePattern, MicroserviceOptions, Payload, Transport } from "@nestjs/microservices";

interface Order {
  items: { sku: string; count: number }[];
}

const { KAFKA = "", TOPIC = "", GROUP = "" } = process.env;

@Controller()
class Orders {
  @MessagePattern(TOPIC)
  create(@Payload() order: Order) {
    return { id: randomUUID(), items: order.items };
  }
}

@Module({ controllers: [Orders] })
class Application {}

async function main() {
  const service = await NestFactory.createMicroservice<MicroserviceOptions>(Application, {
    transport: Transport.KAFKA,
    options: {
      client: { brokers: KAFKA.split(",") },
      consumer: { groupId: GROUP },
      subscribe: { fromBeginning: true },
      // The default appends a suffix to the group's name.
      postfixId: "",
    },
  });
  service.enableShutdownHooks();
  await service.listen();
}

void main();
