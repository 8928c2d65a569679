package lockstep.driver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Properties;
import java.util.function.Consumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** A producer: sends, and answers each flush when all that was sent before it has ended. */
final class ProducerHandle extends Handle {
    private static final Duration CLOSE_GRACE = Duration.ofSeconds(10);
    private static final int DEFAULT_REQUEST_TIMEOUT_MS = 30_000;

    private KafkaProducer<byte[], byte[]> client;
    private String topic;

    /** Records under way, in groups: the last is open, each other waits, in order, for its flush to be answered. */
    private final Deque<Group> groups = new ArrayDeque<>(); // guarded by itself

    private static final class Group {
        int pending;
        JsonNode flush;
    }

    ProducerHandle(JsonNode opening, Out out, Consumer<Handle> forget) {
        super(opening, out, forget);
        groups.add(new Group());
    }

    @Override
    protected void open() {
        topic = opening.path("topic").asText();
        Properties conf = configuration("batch_bytes", "batch.size", "delivery_timeout_ms", "delivery.timeout.ms",
                "max_request_bytes", "max.request.size");
        int linger = opening.path("linger_ms").asInt();
        int delivery = opening.path("delivery_timeout_ms").asInt();
        conf.put("linger.ms", linger);
        conf.put("acks", opening.path("acks").asText("all"));
        conf.put("compression.type", opening.path("codec").asText("none"));
        conf.put("enable.idempotence", opening.path("idempotent").asBoolean());
        if (delivery > 0 && delivery < linger + DEFAULT_REQUEST_TIMEOUT_MS) {
            conf.put("request.timeout.ms", Math.max(1, delivery - linger)); // or the client refuses to start
        }
        client = new KafkaProducer<>(conf, new ByteArraySerializer(), new ByteArraySerializer());
    }

    @Override
    protected JsonNode idle() throws InterruptedException {
        return commands.take();
    }

    @Override
    protected boolean perform(JsonNode command) {
        switch (command.path("op").asText()) {
            case "send":
                send(command);
                return true;
            case "flush":
                synchronized (groups) {
                    groups.getLast().flush = command;
                    groups.add(new Group());
                    advance();
                }
                return true;
            default:
                return false;
        }
    }

    private void send(JsonNode command) {
        int partition = command.path("partition").asInt();
        long n = command.path("first").asLong();
        for (JsonNode fields : command.path("records")) {
            long number = n++;
            Group group = begin();
            try {
                client.send(record(partition, fields), (metadata, error) ->
                        done(group, number, partition, error == null ? metadata.offset() : -1, error));
            } catch (RuntimeException e) { // refused; an error that the client meets later goes to the callback
                done(group, number, partition, -1, e);
            }
        }
    }

    private ProducerRecord<byte[], byte[]> record(int partition, JsonNode fields) {
        long timestamp = fields.path("timestamp").asLong();
        ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(topic, partition, timestamp > 0 ? timestamp : null,
                bytes(fields.path("key")), bytes(fields.path("value")));
        for (JsonNode header : fields.path("headers")) {
            record.headers().add(header.path(0).asText(), bytes(header.path(1)));
        }
        return record;
    }

    private static byte[] bytes(JsonNode base64) {
        try {
            return base64.isTextual() ? base64.binaryValue() : null;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void done(Group group, long n, int partition, long offset, Exception error) {
        ObjectNode event = event(error == null ? "acked" : "failed").put("n", n).put("partition", partition);
        if (error == null) {
            event.put("offset", offset);
        } else {
            event.put("error", describe(error));
        }
        out.tell(event.put("at", now()));
        synchronized (groups) {
            group.pending--;
            advance();
        }
    }

    private Group begin() {
        synchronized (groups) {
            groups.getLast().pending++;
            return groups.getLast();
        }
    }

    private void advance() {
        while (groups.size() > 1 && groups.getFirst().pending == 0) {
            out.answer(groups.removeFirst().flush, "flushed");
        }
    }

    @Override
    protected void close() {
        client.close(CLOSE_GRACE); // fails what is left
    }
}
