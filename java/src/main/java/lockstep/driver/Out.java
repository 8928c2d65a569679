package lockstep.driver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedOutputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;

/**
 * Writes events one a line, from one thread, and flushes whenever none is waiting. A full pipe holds up those who tell.
 * Whatever else the process prints goes to stderr.
 */
final class Out {
    private static final ObjectNode END = Driver.JSON.createObjectNode();

    private final OutputStream stream = new BufferedOutputStream(new FileOutputStream(FileDescriptor.out), 1 << 16);
    private final BlockingQueue<ObjectNode> events = new ArrayBlockingQueue<>(1024);
    private final Thread writer = new Thread(this::write, "events");

    Out() {
        System.setOut(System.err);
        writer.setDaemon(true);
        writer.start();
    }

    void tell(ObjectNode event) {
        boolean interrupted = false;
        while (true) {
            try {
                events.put(event);
                break;
            } catch (InterruptedException e) {
                interrupted = true; // an event is never dropped
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    void answer(JsonNode command, String event) {
        ObjectNode answer = Driver.JSON.createObjectNode();
        answer.put("event", event).put("id", command.path("id").asLong()).put("handle", command.path("handle").asText());
        tell(answer);
    }

    void fail(JsonNode command, boolean fatal, String error) {
        ObjectNode event = Driver.JSON.createObjectNode();
        event.put("event", "error").put("id", command.path("id").asLong());
        if (command.has("handle")) {
            event.set("handle", command.get("handle"));
        }
        tell(event.put("fatal", fatal).put("error", error));
    }

    /** Waits until all that was told before is written, or for so long. */
    void close(long millis) throws InterruptedException {
        if (events.offer(END, millis, TimeUnit.MILLISECONDS)) {
            writer.join(millis);
        }
    }

    private void write() {
        try {
            for (ObjectNode event = events.take(); event != END; event = events.take()) {
                try {
                    stream.write(Driver.JSON.writeValueAsBytes(event));
                    stream.write('\n');
                    if (events.isEmpty()) {
                        stream.flush();
                    }
                } catch (IOException e) {
                    // The reader has gone, and has closed stdin as well: that is what ends a driver.
                }
            }
            stream.flush();
        } catch (IOException | InterruptedException e) {
            // As above; and nobody interrupts this thread.
        }
    }
}
