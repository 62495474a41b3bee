// NestJS over kafkajs: the return value goes to the topic that the header kafka_replyTopic names, with
// kafka_correlationId. Its defaults: one record after the other, committed once they are handled; it does not
// wait for the broker's word on a reply.
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
      // Else the group has another name than the one that was given.
      postfixId: "",
    },
  });
  service.enableShutdownHooks();
  await service.listen();
}

void main();
