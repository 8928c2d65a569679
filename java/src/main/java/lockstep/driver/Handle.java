package lockstep.driver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.function.Consumer;

/** One open producer or consumer: the thread that carries out its commands in order. */
abstract class Handle extends Thread {
    /** Put last when stdin has closed: ends the handle without a word. */
    private static final JsonNode END = MissingNode.getInstance();

    protected final JsonNode opening;
    protected final Out out;
    protected final LinkedBlockingQueue<JsonNode> commands = new LinkedBlockingQueue<>();
    private final Consumer<Handle> forget;

    Handle(JsonNode opening, Out out, Consumer<Handle> forget) {
        super(opening.path("handle").asText());
        setDaemon(true);
        this.opening = opening;
        this.out = out;
        this.forget = forget;
    }

    /** Opens the library's client. */
    protected abstract void open();

    /** Carries out one command, which is not close; false where this kind of handle has no such command. */
    protected abstract boolean perform(JsonNode command);

    /** What to do when no command waits: returns the next one, or null when it is worth asking again. */
    protected abstract JsonNode idle() throws InterruptedException;

    /** Closes the library's client. */
    protected abstract void close();

    void put(JsonNode command) {
        commands.add(command);
    }

    void stdinClosed() {
        commands.add(END);
    }

    @Override
    public void run() {
        try {
            open();
        } catch (RuntimeException e) {
            forget.accept(this);
            refuse(opening, e);
            refuseLate();
            return;
        }
        out.answer(opening, "opened");
        JsonNode closing = serve();
        try {
            close();
        } catch (RuntimeException e) {
            refuse(closing, e);
        }
        forget.accept(this);
        if (closing != END) {
            out.answer(closing, "closed");
        }
        refuseLate();
    }

    /** Carries out commands until one ends the handle, which is returned. */
    private JsonNode serve() {
        while (true) {
            JsonNode command = commands.poll();
            try {
                if (command == null && (command = idle()) == null) {
                    continue;
                }
            } catch (InterruptedException e) {
                return END; // nobody does
            }
            String op = command.path("op").asText();
            if (command == END || op.equals("close")) {
                return command;
            }
            try {
                if (!perform(command)) {
                    out.fail(command, true, op + ": handle \"" + getName() + "\" has no such command");
                }
            } catch (RuntimeException e) {
                refuse(command, e);
            }
        }
    }

    private void refuse(JsonNode command, RuntimeException e) {
        e.printStackTrace();
        out.fail(command, false, command.path("op").asText() + ": " + describe(e));
    }

    /** Answers the commands that came too late: none can come once the handle is forgotten. */
    private void refuseLate() {
        List<JsonNode> late = new ArrayList<>();
        commands.drainTo(late);
        late.remove(END);
        for (JsonNode command : late) {
            out.fail(command, true, command.path("op").asText() + ": handle \"" + getName() + "\" is closed");
        }
    }

    /** Starts a configuration; what the command leaves out, or at 0, is left at the library's default. */
    protected Properties configuration(String... ourNamesAndTheirs) {
        List<String> bootstrap = new ArrayList<>();
        opening.path("bootstrap").forEach(b -> bootstrap.add(b.asText()));
        Properties properties = new Properties();
        properties.put("bootstrap.servers", String.join(",", bootstrap));
        for (int i = 0; i < ourNamesAndTheirs.length; i += 2) {
            String value = opening.path(ourNamesAndTheirs[i]).asText();
            if (!value.isEmpty() && !value.equals("0")) {
                properties.put(ourNamesAndTheirs[i + 1], value);
            }
        }
        return properties;
    }

    protected ObjectNode event(String kind) {
        return Driver.JSON.createObjectNode().put("event", kind).put("handle", getName());
    }

    static long now() {
        java.time.Instant now = java.time.Instant.now();
        return now.getEpochSecond() * 1_000_000_000L + now.getNano();
    }

    static String describe(Throwable e) {
        String cause = e.getCause() == null ? "" : ": " + e.getCause().getMessage();
        return e.getClass().getSimpleName() + ": " + e.getMessage() + cause;
    }
}
