package lockstep.driver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Properties;
import java.util.function.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.InvalidOffsetException;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** A consumer: polls between commands, so that no record polled before a seek can be told after it. */
final class ConsumerHandle extends Handle implements ConsumerRebalanceListener {
    /** Bounds how long a command waits behind a poll that finds nothing. */
    private static final Duration POLL = Duration.ofMillis(100);

    private static final long REPEAT_NANOS = 1_000_000_000L;

    private KafkaConsumer<byte[], byte[]> client;
    private String topic;
    private String lastNotice = "";
    private long lastNoticeAt;

    ConsumerHandle(JsonNode opening, Out out, Consumer<Handle> forget) {
        super(opening, out, forget);
    }

    @Override
    protected void open() {
        topic = opening.path("topic").asText();
        boolean group = !opening.path("group").asText().isEmpty();
        Properties conf = configuration("group", "group.id", "rack", "client.rack", "max_wait_ms", "fetch.max.wait.ms",
                "fetch_max_bytes", "fetch.max.bytes", "isolation", "isolation.level");
        conf.put("enable.auto.commit", false);
        conf.put("auto.offset.reset", group ? "earliest" : "none");
        client = new KafkaConsumer<>(conf, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        if (group) {
            client.subscribe(List.of(topic), this);
            return;
        }
        List<TopicPartition> partitions = new ArrayList<>();
        opening.path("partitions").forEach(p -> partitions.add(new TopicPartition(topic, p.asInt())));
        client.assign(partitions);
        if (opening.path("offsets").isEmpty()) {
            client.seekToBeginning(partitions);
        }
        for (int i = 0; i < opening.path("offsets").size(); i++) {
            client.seek(partitions.get(i), opening.path("offsets").get(i).asLong());
        }
    }

    @Override
    protected boolean perform(JsonNode command) {
        switch (command.path("op").asText()) {
            case "seek":
                client.seek(new TopicPartition(topic, command.path("partition").asInt()),
                        command.path("offset").asLong());
                out.answer(command, "sought");
                return true;
            case "commit":
                client.commitSync();
                out.answer(command, "committed");
                return true;
            default:
                return false;
        }
    }

    @Override
    protected JsonNode idle() throws InterruptedException {
        try {
            for (ConsumerRecord<byte[], byte[]> record : client.poll(POLL)) {
                out.tell(event(record));
            }
            return null;
        } catch (InvalidOffsetException e) {
            notice("reset", describe(e));
        } catch (RuntimeException e) {
            notice("error", describe(e));
        }
        // It may throw again at once, for ever: let a command in first.
        return commands.poll(POLL.toMillis() / 10, java.util.concurrent.TimeUnit.MILLISECONDS);
    }

    private ObjectNode event(ConsumerRecord<byte[], byte[]> record) {
        ObjectNode event = event("record").put("partition", record.partition()).put("offset", record.offset());
        event.put("timestamp", record.timestamp());
        event.put("timestamp_type", record.timestampType() == TimestampType.LOG_APPEND_TIME ? "append" : "create");
        event.put("key", record.key()).put("value", record.value()); // null, or base64
        ArrayNode headers = event.putArray("headers");
        for (Header header : record.headers()) {
            headers.addArray().add(header.key()).add(header.value());
        }
        return event.put("at", now());
    }

    /** Tells a notice, unless it repeats the last one within a second. Only the handle's thread calls it. */
    private void notice(String kind, String text) {
        long at = now();
        if (lastNotice.equals(kind + text) && at - lastNoticeAt < REPEAT_NANOS) {
            return;
        }
        lastNotice = kind + text;
        lastNoticeAt = at;
        out.tell(event("notice").put("kind", kind).put("error", text).put("at", at));
    }

    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
        notice("rebalance", "assigned " + partitions);
    }

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
        notice("rebalance", "revoked " + partitions);
    }

    @Override
    public void onPartitionsLost(Collection<TopicPartition> partitions) {
        notice("rebalance", "lost " + partitions);
    }

    @Override
    protected void close() {
        client.close(); // leaves the group
    }
}
