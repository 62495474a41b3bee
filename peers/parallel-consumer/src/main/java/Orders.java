import static io.confluent.parallelconsumer.ParallelConsumerOptions.ProcessingOrder.UNORDERED;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.confluent.parallelconsumer.ParallelConsumerOptions;
import io.confluent.parallelconsumer.ParallelStreamProcessor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Confluent's Parallel Consumer: a pool of threads handles the records, 16 at a time by default, in any order. It
 * commits every five seconds the records whose replies the broker has.
 */
public class Orders {
    record Item(String sku, int count) {}

    record Order(List<Item> items) {}

    record Created(UUID id, List<Item> items) {}

    private static final ObjectMapper JSON = new ObjectMapper();

    public static void main(String[] arguments) {
        String kafka = System.getenv("KAFKA");
        var bytes = new ByteArrayDeserializer();
        Map<String, Object> reading = Map.of(
                "bootstrap.servers", kafka,
                "group.id", System.getenv("GROUP"),
                "auto.offset.reset", "earliest",
                "enable.auto.commit", false);
        var consumer = new KafkaConsumer<>(reading, bytes, bytes);
        Map<String, Object> writing = Map.of("bootstrap.servers", kafka, "linger.ms", 0);
        var producer = new KafkaProducer<>(writing, new ByteArraySerializer(), new ByteArraySerializer());
        var options = ParallelConsumerOptions.<byte[], byte[]>builder()
                .ordering(UNORDERED)
                .consumer(consumer)
                .producer(producer)
                .build();
        var processor = ParallelStreamProcessor.createEosStreamProcessor(options);
        Runtime.getRuntime().addShutdownHook(new Thread(processor::closeDrainFirst));
        processor.subscribe(List.of(System.getenv("TOPIC")));
        processor.pollAndProduce(context -> answer(context.getSingleConsumerRecord()));
    }

    private static ProducerRecord<byte[], byte[]> answer(ConsumerRecord<byte[], byte[]> request) {
        try {
            var order = JSON.readValue(request.value(), Order.class);
            var body = JSON.writeValueAsBytes(new Created(UUID.randomUUID(), order.items()));
            String replyTo = text(request.headers().lastHeader("reply-to"));
            var reply = new ProducerRecord<>(replyTo, request.key(), body);
            reply.headers().add("status-code", "200".getBytes(StandardCharsets.UTF_8));
            String[] asked = text(request.headers().lastHeader("x-reply-set-header")).split(":", 2);
            reply.headers().add(asked[0], asked[1].strip().getBytes(StandardCharsets.UTF_8));
            return reply;
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    private static String text(Header header) {
        return new String(header.value(), StandardCharsets.UTF_8);
    }
}
