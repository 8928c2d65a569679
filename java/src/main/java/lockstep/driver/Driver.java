package lockstep.driver;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.common.utils.AppInfoParser;

/** Reads commands from stdin and deals them out to the handles they are for. */
public final class Driver {
    /** From the end of stdin to the end of the process. */
    private static final long SHUTDOWN_GRACE_NANOS = 13_000_000_000L;

    /** How much longer the end waits for somebody to read the last events. */
    private static final long UNREAD_GRACE_MILLIS = 500;

    private static final Set<String> HANDLE_OPS = Set.of("send", "flush", "seek", "commit", "close");

    static final ObjectMapper JSON = new ObjectMapper();

    private final Out out = new Out();
    private final Map<String, Handle> handles = new HashMap<>(); // guarded by itself, as is every put to a handle

    private Driver() {}

    /** Serves until stdin closes, then ends the process, also where a library has left threads behind. */
    public static void main(String[] args) throws IOException, InterruptedException {
        Driver driver = new Driver();
        driver.serve();
        driver.shutdown();
        driver.out.close(UNREAD_GRACE_MILLIS);
        Runtime.getRuntime().halt(0);
    }

    private void serve() throws IOException {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8), 1 << 16);
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            if (line.isBlank()) {
                continue;
            }
            JsonNode command = JSON.createObjectNode();
            try {
                JsonNode parsed = JSON.readTree(line);
                if (!parsed.isObject()) {
                    throw new Nonsense("a command is a JSON object");
                }
                command = parsed;
                dispatch(command);
            } catch (JsonProcessingException e) {
                out.fail(command, true, "read a command: " + e.getOriginalMessage());
            } catch (Nonsense e) {
                out.fail(command, true, e.getMessage());
            }
        }
    }

    private void dispatch(JsonNode command) throws Nonsense {
        String op = command.path("op").asText();
        String name = command.path("handle").asText();
        if (op.equals("info")) {
            out.tell(info(command));
        } else if (op.equals("open_producer") || op.equals("open_consumer")) {
            open(op, name, command);
        } else if (HANDLE_OPS.contains(op)) {
            synchronized (handles) {
                Handle handle = handles.get(name);
                if (handle == null) {
                    throw new Nonsense(op + ": no handle \"" + name + "\" is open");
                }
                handle.put(command);
            }
        } else {
            throw new Nonsense("unknown op \"" + op + "\"");
        }
    }

    private void open(String op, String name, JsonNode command) throws Nonsense {
        boolean producer = op.equals("open_producer");
        int partitions = command.path("partitions").size();
        int offsets = command.path("offsets").size();
        if (name.isEmpty() || command.path("topic").asText().isEmpty() || command.path("bootstrap").isEmpty()) {
            throw new Nonsense(op + ": handle, topic and bootstrap are needed");
        }
        if (offsets != 0 && offsets != partitions) {
            throw new Nonsense(op + ": " + offsets + " offsets for " + partitions + " partitions");
        }
        if (!producer && command.path("group").asText().isEmpty() == (partitions == 0)) {
            throw new Nonsense(op + ": either a group or partitions are needed");
        }
        Handle handle = producer ? new ProducerHandle(command, out, this::forget)
                : new ConsumerHandle(command, out, this::forget);
        synchronized (handles) {
            if (handles.putIfAbsent(name, handle) != null) {
                throw new Nonsense(op + ": handle \"" + name + "\" is open already");
            }
        }
        handle.start();
    }

    private void forget(Handle handle) {
        synchronized (handles) {
            handles.remove(handle.getName(), handle);
        }
    }

    private void shutdown() throws InterruptedException {
        long deadline = System.nanoTime() + SHUTDOWN_GRACE_NANOS;
        Handle[] open;
        synchronized (handles) {
            open = handles.values().toArray(new Handle[0]);
        }
        for (Handle handle : open) {
            handle.stdinClosed();
        }
        for (Handle handle : open) {
            handle.join(Math.max(1, (deadline - System.nanoTime()) / 1_000_000));
        }
    }

    private static ObjectNode info(JsonNode command) {
        ObjectNode event = JSON.createObjectNode();
        event.put("event", "info").put("id", command.path("id").asLong());
        event.put("client", "java").put("version", AppInfoParser.getVersion());
        event.put("runtime", "Java " + Runtime.version());
        list(event.putArray("features"), "rack", "idempotence", "group", "null-header-values", "empty-header-value",
                "null-records");
        list(event.putArray("codecs"), "none", "gzip", "snappy", "lz4", "zstd");
        return event;
    }

    private static void list(ArrayNode array, String... values) {
        for (String value : values) {
            array.add(value);
        }
    }

    /** A command that its sender got wrong. */
    private static final class Nonsense extends Exception {
        private static final long serialVersionUID = 1;

        Nonsense(String message) {
            super(message);
        }
    }
}
