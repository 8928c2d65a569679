"""The loop that every Python driver of the compatibility suite shares.

A driver is one client library in one process, which takes JSON commands on stdin and tells JSON events on stdout. The
contract is the package documentation of compat/drivers/protocol (doc.go); this module is the part of it that does not
depend on the library. A driver is a subclass of Driver, handed to main().

Every handle has a thread of its own that carries out its commands in order. A consumer's thread polls between
commands, so that no record polled before a seek can be told after it, and no library is called from two threads.
"""

import binascii
import json
import os
import queue
import sys
import threading
import time
import traceback

POLL_SECONDS = 0.1  # bounds how long a consumer's command waits behind a poll that finds nothing
CLOSE_GRACE_SECONDS = 10  # for a producer that is closed to deliver what is under way
SHUTDOWN_GRACE_SECONDS = 14  # from the end of stdin to the end of the process

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]


class Driver:
    """What a library must be wrapped in. Any exception that a method raises is told to the suite."""

    def info(self):
        """client, version, runtime, features, codecs."""
        raise NotImplementedError

    def open_producer(self, bootstrap, topic, config):
        """Returns an object with send(partition, record, done) and close(grace_seconds).

        record has key, value, headers [(name, value)] and timestamp (ms or None). done(offset, error) must be called
        once for each, by any thread; what has not been called when close returns is failed.
        """
        raise NotImplementedError

    def open_consumer(self, bootstrap, topic, config, notice):
        """Returns an object with poll(seconds) → list of record(…), seek(partition, offset), commit() and close().

        notice(kind, text) may be called at any time, from any thread.
        """
        raise NotImplementedError

    def kind(self, error):
        """Of which kind ("error", "reset") an exception is that poll has raised."""
        return "error"


class Record:
    """A record to be sent."""

    __slots__ = ("key", "value", "headers", "timestamp")

    def __init__(self, fields):
        self.key = decode(fields.get("key"))
        self.value = decode(fields.get("value"))
        self.headers = [(name, decode(value)) for name, value in fields.get("headers") or ()]
        self.timestamp = fields.get("timestamp") or None


def decode(text):
    """base64 → bytes; null stays None."""
    return None if text is None else binascii.a2b_base64(text)


def encode(data):
    """bytes → base64; None stays null."""
    return None if data is None else binascii.b2a_base64(data, newline=False).decode("ascii")


def record(handle, partition, offset, timestamp, timestamp_type, key, value, headers):
    """The event of a record that was read."""
    return {
        "event": "record",
        "handle": handle,
        "partition": partition,
        "offset": offset,
        "timestamp": timestamp,
        "timestamp_type": timestamp_type,
        "key": encode(key),
        "value": encode(value),
        "headers": [(name, encode(value)) for name, value in headers or ()],
        "at": time.time_ns(),
    }


def describe(error):
    """An error's text, with its type where it is an exception."""
    if isinstance(error, BaseException):
        return f"{type(error).__name__}: {error}"
    return str(error)


class Nonsense(Exception):
    """A command that its sender got wrong."""


class Out:
    """Writes events, one a line; each call is flushed at once, so a batch is best told in one."""

    def __init__(self, stream):
        self._stream = stream
        self._lock = threading.Lock()

    def tell(self, *events):
        lines = "".join(json.dumps(e, ensure_ascii=False, separators=(",", ":")) + "\n" for e in events)
        with self._lock:
            try:
                self._stream.write(lines.encode("utf-8"))
                self._stream.flush()
            except (OSError, ValueError):
                pass  # the reader has gone, and has closed stdin as well: that is what ends a driver

    def answer(self, command, event):
        self.tell({"event": event, "id": command.get("id", 0), "handle": command.get("handle", "")})

    def fail(self, command, fatal, text):
        event = {"event": "error", "id": command.get("id", 0), "fatal": fatal, "error": text}
        if "handle" in command:
            event["handle"] = command["handle"]
        self.tell(event)


class Session:
    """One driver's life: reads commands, deals them out to the handles' threads, and ends them all at the end."""

    def __init__(self, driver, stdin, stdout):
        self.driver = driver
        self.out = Out(stdout)
        self._stdin = stdin
        self._lock = threading.Lock()  # guards handles, and every put to one of them
        self._handles = {}

    def run(self):
        for line in self._stdin:
            if not line.strip():
                continue
            command = {}
            try:
                parsed = json.loads(line)
                if not isinstance(parsed, dict):
                    raise Nonsense("a command is a JSON object")
                command = parsed
                self._dispatch(command)
            except ValueError as e:
                self.out.fail(command, True, f"read a command: {e}")
            except Nonsense as e:
                self.out.fail(command, True, str(e))
        self._shutdown()

    def _dispatch(self, command):
        op = command.get("op")
        if op == "info":
            self.out.tell({"event": "info", "id": command.get("id", 0), **self.driver.info()})
        elif op in ("open_producer", "open_consumer"):
            self._open(command, Producer if op == "open_producer" else Consumer)
        elif op in ("send", "flush", "seek", "commit", "close"):
            name = command.get("handle")
            with self._lock:
                if name not in self._handles:
                    raise Nonsense(f"{op}: no handle {name!r} is open")
                self._handles[name].commands.put(command)
        else:
            raise Nonsense(f"unknown op {op!r}")

    def _open(self, command, kind):
        name = command.get("handle")
        if not (name and command.get("topic") and command.get("bootstrap")):
            raise Nonsense(f"{command['op']}: handle, topic and bootstrap are needed")
        partitions, offsets = command.get("partitions") or [], command.get("offsets") or []
        if offsets and len(offsets) != len(partitions):
            raise Nonsense(f"{command['op']}: {len(offsets)} offsets for {len(partitions)} partitions")
        if kind is Consumer and bool(command.get("group")) == bool(partitions):
            raise Nonsense(f"{command['op']}: either a group or partitions are needed")
        with self._lock:
            if name in self._handles:
                raise Nonsense(f"{command['op']}: handle {name!r} is open already")
            self._handles[name] = handle = kind(self, command)
        handle.start()

    def forget(self, handle):
        """Takes a handle off that has ended, and refuses the commands that came too late for it."""
        with self._lock:
            del self._handles[handle.name]
        while True:
            try:
                late = handle.commands.get_nowait()
            except queue.Empty:
                return
            if late is not None:
                self.out.fail(late, True, f"{late['op']}: handle {handle.name!r} is closed")

    def _shutdown(self):
        deadline = time.monotonic() + SHUTDOWN_GRACE_SECONDS
        with self._lock:
            handles = list(self._handles.values())
        for handle in handles:
            handle.commands.put(None)
        for handle in handles:
            handle.join(max(0, deadline - time.monotonic()))


class Handle(threading.Thread):
    """What producers and consumers share: opening, refusing what makes no sense, and ending."""

    def __init__(self, session, opening):
        super().__init__(name=opening["handle"], daemon=True)
        self.session = session
        self.out = session.out
        self.opening = opening
        self.commands = queue.SimpleQueue()  # None ends it without a word: stdin has closed

    def run(self):
        try:
            self.open(self.opening)
        except Exception as e:
            traceback.print_exc()
            self.session.forget(self)
            self.out.fail(self.opening, False, f"{self.opening['op']}: {describe(e)}")
            return
        self.out.answer(self.opening, "opened")
        closing = self.serve()
        try:
            self.close()
        except Exception as e:
            traceback.print_exc()
            self.out.fail(closing or {}, False, f"close: {describe(e)}")
        self.session.forget(self)
        if closing:
            self.out.answer(closing, "closed")

    def perform(self, command, event, call):
        """Answers a command with what the library makes of it."""
        try:
            call()
        except Exception as e:
            traceback.print_exc()
            self.out.fail(command, False, f"{command['op']}: {describe(e)}")
        else:
            self.out.answer(command, event)

    def misplaced(self, command):
        kind = type(self).__name__.lower()
        self.out.fail(command, True, f"{command['op']}: handle {self.name!r} is a {kind}")


class Producer(Handle):
    """Sends, and answers each flush when all that was sent before it has ended."""

    def open(self, opening):
        self._lock = threading.Lock()  # guards groups and unknown
        # Counts of records whose fate is unknown, and the flush that waits for each group of them: the last group is
        # open, each other waits, in order, to be answered.
        self._groups = [[0, None]]
        self._unknown = {}  # the records whose fate is unknown: number → done
        self._library = self.session.driver.open_producer(opening["bootstrap"], opening["topic"], opening)

    def serve(self):
        while True:
            command = self.commands.get()
            if command is None or command["op"] == "close":
                return command
            if command["op"] == "send":
                self._send(command)
            elif command["op"] == "flush":
                with self._lock:
                    self._groups[-1][1] = command
                    self._groups.append([0, None])
                    self._advance()
            else:
                self.misplaced(command)

    def close(self):
        try:
            self._library.close(CLOSE_GRACE_SECONDS)
        finally:
            for done in list(self._unknown.values()):
                done(-1, "closed before its fate was known")

    def _send(self, command):
        partition, first = command.get("partition", 0), command.get("first", 0)
        for n, fields in enumerate(command.get("records") or (), start=first):
            done = self._done(n, partition)
            try:
                self._library.send(partition, Record(fields), done)
            except Exception as e:  # refused before it was sent
                done(-1, e)

    def _done(self, n, partition):
        def done(offset, error):
            with self._lock:
                if self._unknown.pop(n, None) is None:
                    return  # told already
            event = {"event": "acked", "handle": self.name, "n": n, "partition": partition}
            if error is None:
                event["offset"] = offset
            else:
                event.update(event="failed", error=describe(error))
            event["at"] = time.time_ns()
            self.out.tell(event)
            with self._lock:
                group[0] -= 1
                self._advance()

        with self._lock:
            group = self._groups[-1]
            group[0] += 1
            self._unknown[n] = done
        return done

    def _advance(self):
        while len(self._groups) > 1 and self._groups[0][0] == 0:
            self.out.answer(self._groups.pop(0)[1], "flushed")


class Consumer(Handle):
    """Polls between commands, and tells each poll's records at once."""

    def open(self, opening):
        self._lock = threading.Lock()  # guards last
        self._last = (None, None, 0)
        self._library = self.session.driver.open_consumer(
            opening["bootstrap"], opening["topic"], opening, self._notice
        )

    def serve(self):
        while True:
            try:
                command = self.commands.get_nowait()
            except queue.Empty:
                self._poll()
                continue
            if command is None or command["op"] == "close":
                return command
            if command["op"] == "seek":
                at = command.get("partition", 0), command.get("offset", 0)
                self.perform(command, "sought", lambda: self._library.seek(*at))
            elif command["op"] == "commit":
                self.perform(command, "committed", self._library.commit)
            else:
                self.misplaced(command)

    def close(self):
        self._library.close()

    def _poll(self):
        try:
            records = self._library.poll(POLL_SECONDS)
        except Exception as e:
            self._notice(self.session.driver.kind(e), describe(e))
            time.sleep(POLL_SECONDS / 10)  # it may raise again at once, for ever
            return
        if records:
            self.out.tell(*(record(self.name, *fields) for fields in records))

    def _notice(self, kind, text):
        """Tells a notice, unless it repeats the last one within a second."""
        at = time.time_ns()
        with self._lock:
            last_kind, last_text, last_at = self._last
            if (kind, text) == (last_kind, last_text) and at - last_at < 1_000_000_000:
                return
            self._last = (kind, text, at)
        self.out.tell({"event": "notice", "handle": self.name, "kind": kind, "error": text, "at": at})


def main(driver):
    """Runs the driver over the standard streams and exits, also when a library has left threads behind.

    File descriptor 1 is kept for the events: whatever else is printed goes to stderr.
    """
    events = os.fdopen(os.dup(1), "wb", buffering=1 << 16)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    Session(driver, sys.stdin.buffer, events).run()
    sys.stderr.flush()
    os._exit(0)
