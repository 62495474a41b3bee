package peers;

import java.util.List;
import java.util.UUID;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.kafka.annotation.KafkaListener;
import org.springframework.messaging.handler.annotation.SendTo;

/**
 * Spring Kafka: the return value goes to the topic that the header kafka_replyTopic names, with kafka_correlationId.
 *
 * <p>Its defaults: one listener thread, offsets committed after each batch of records that were handled; it does not wait
 * for the broker's word on a reply.
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
