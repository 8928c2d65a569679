"""The compatibility suite's driver for confluent-kafka for Python, that is librdkafka (inside the wheel).

What this client is like:

- Errors. A delivery report carries the message's error. error_cb tells of everything else, also of what is retried by
  itself (a broker that refuses the connection is _TRANSPORT, all of them down _ALL_BROKERS_DOWN), from within poll. An
  error of one partition comes out of poll as a message that has an error().
- Reset. With auto.offset.reset=error an out-of-range position is _AUTO_OFFSET_RESET, once, and the partition is not
  fetched again until it is assigned anew: even a seek is refused (_STATE). With any other
  setting the reset is silent but for a log line. It is a notice "reset".
- Rack. client.rack. A preferred replica is kept for 5 minutes (fixed), and given up when its connection fails. One that
  falls silent is given up after socket.timeout.ms: a minute.
- CRC. Checked only with check.crcs=true, which is set here.
- Produce. Reports come only from within poll, for which the producer has a thread here. They carry the offset; -1 where the
  broker did not tell (acks=0). Idempotence is off by default and needs acks=all. batch.size is where a batch is full; a
  larger message goes alone, up to message.max.bytes, which is set from max_request_bytes.
- Consume. consume(n, timeout) waits for all n or the whole timeout: only poll() returns the first message promptly.
- Timestamps. 0 means now, so 0 cannot be sent.
"""

import platform
import threading
import time

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException, TopicPartition

import lockstep_driver

RESETS = {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE}
BATCH = 500  # messages of one poll, so that commands come in between


class Driver(lockstep_driver.Driver):
    def info(self):
        return {
            "client": "confluent-kafka-python",
            "version": f"{confluent_kafka.__version__} (librdkafka {confluent_kafka.libversion()[0]})",
            "runtime": f"{platform.python_implementation()} {platform.python_version()}",
            "features": [
                "rack",
                "idempotence",
                "group",
                "null-header-values",
                "empty-header-value",
                "null-records",
            ],
            "codecs": lockstep_driver.CODECS,
        }

    def open_producer(self, bootstrap, topic, config):
        return Producer(bootstrap, topic, config)

    def open_consumer(self, bootstrap, topic, config, notice):
        return Consumer(bootstrap, topic, config, notice)


def configuration(bootstrap, config, names):
    """The library's configuration; what the command leaves out, or at 0, is left at the library's default."""
    conf = {"bootstrap.servers": ",".join(bootstrap)}
    conf.update({theirs: config[ours] for ours, theirs in names.items() if config.get(ours)})
    return conf


class Producer:
    def __init__(self, bootstrap, topic, config):
        conf = configuration(
            bootstrap,
            config,
            {
                "batch_bytes": "batch.size",
                "delivery_timeout_ms": "delivery.timeout.ms",
                "max_request_bytes": "message.max.bytes",
            },
        )
        conf["acks"] = config.get("acks") or "all"
        conf["compression.type"] = config.get("codec") or "none"
        conf["enable.idempotence"] = bool(config.get("idempotent"))
        conf["linger.ms"] = config.get("linger_ms", 0)
        self._client = confluent_kafka.Producer(conf)
        self._topic = topic
        self._closing = threading.Event()
        self._reports = threading.Thread(target=self._serve, daemon=True)
        self._reports.start()

    def _serve(self):
        while not self._closing.is_set():
            self._client.poll(0.1)

    def send(self, partition, record, done):
        def report(error, message):
            offset = None if error else message.offset()
            done(-1 if offset is None or offset < 0 else offset, error)

        while True:
            try:
                self._client.produce(
                    self._topic,
                    value=record.value,
                    key=record.key,
                    partition=partition,
                    headers=record.headers,
                    timestamp=record.timestamp or 0,
                    on_delivery=report,
                )
                return
            except BufferError:  # the queue is full, and there is no way to wait for room
                time.sleep(0.01)

    def close(self, grace):
        self._client.flush(grace)
        self._client.purge()  # fails what is left
        self._client.flush(1)
        self._closing.set()
        self._reports.join()


class Consumer:
    def __init__(self, bootstrap, topic, config, notice):
        self._topic = topic
        self._notice = notice
        self._group = group = config.get("group")
        conf = configuration(
            bootstrap,
            config,
            {"rack": "client.rack", "max_wait_ms": "fetch.wait.max.ms", "fetch_max_bytes": "fetch.max.bytes"},
        )
        conf["check.crcs"] = True
        conf["enable.auto.commit"] = False
        conf["group.id"] = group or "unused"  # must be set, also where nothing is ever committed
        conf["auto.offset.reset"] = "earliest" if group else "error"
        conf["isolation.level"] = config.get("isolation") or "read_uncommitted"  # the library's own is read_committed
        conf["error_cb"] = lambda error: self._tell("", error)
        self._client = confluent_kafka.Consumer(conf)
        if group:
            self._client.subscribe([topic], **{f"on_{what}": self._moved(what) for what in ("assign", "revoke", "lost")})
        else:
            partitions = config["partitions"]
            offsets = config.get("offsets") or [confluent_kafka.OFFSET_BEGINNING] * len(partitions)
            self._client.assign([TopicPartition(topic, p, o) for p, o in zip(partitions, offsets)])

    def _moved(self, what):
        def told(_client, partitions):
            self._notice("rebalance", f"{what} {[p.partition for p in partitions]}")

        return told

    def _tell(self, where, error):
        kind = "reset" if error.code() in RESETS else "error"
        self._notice(kind, f"{where}{error.name()}: {error.str()}")

    def poll(self, seconds):
        first = self._client.poll(seconds)
        if first is None:
            return []
        records = []
        for message in [first, *self._client.consume(BATCH, 0)]:
            if message.error():
                self._tell(f"partition {message.partition()}: ", message.error())
            else:
                records.append(fields(message))
        return records

    def seek(self, partition, offset):
        at = TopicPartition(self._topic, partition, offset)
        try:
            self._client.seek(at)
        except KafkaException as e:
            # It refuses a partition that it does not fetch at the moment (just assigned, or ended by a reset): one that
            # was assigned by hand is then assigned anew, as any program would have to do.
            if self._group or e.args[0].code() != KafkaError._STATE:
                raise
            self._client.incremental_unassign([at])
            self._client.incremental_assign([at])

    def commit(self):
        try:
            self._client.commit(asynchronous=False)
        except KafkaException as e:
            if e.args[0].code() != KafkaError._NO_OFFSET:  # nothing was read since the last commit
                raise

    def close(self):
        self._client.close()


def fields(message):
    kind, timestamp = message.timestamp()
    kind = "append" if kind == confluent_kafka.TIMESTAMP_LOG_APPEND_TIME else "create"
    return (
        message.partition(),
        message.offset(),
        timestamp,
        kind,
        message.key(),
        message.value(),
        message.headers(),
    )


if __name__ == "__main__":
    lockstep_driver.main(Driver())
