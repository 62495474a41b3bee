package peers;

import java.util.List;
import java.util.UUID;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.kafka.annotation.KafkaListener;
import org.springframework.messaging.handler.annotation.SendTo;

/**
 * Spring Kafka: sends the return value, with kafka_correlationId, to the topic that the header kafka_replyTopic names.
 *
 * <p>By default, it has one listener thread and commits after each batch. It does not wait until the broker has the
 * reply.
 */
@SpringBootApplication
public class Orders {
    record Item(String sku, int count) {}

    record Order(List<Item> items) {}

    record Created(UUID id, List<Item> items) {}

    @KafkaListener(topics = "${TOPIC}", groupId = "${GROUP}")
    @SendTo
    Created create(Order order) {
        return new Created(UUID.randomUUID(), order.items());
    }

    public static void main(String[] arguments) {
        SpringApplication.run(Orders.class, arguments);
    }
}
