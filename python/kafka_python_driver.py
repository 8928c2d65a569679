"""The compatibility suite's driver for kafka-python, 2.x and 3.x: which one is the virtual environment's choice.

What this client is like:

- Opening. Both kinds of client connect while they are made, and raise NoBrokersAvailable where nobody answers.
- Errors. A future fails with the record's error. What the consumer retries by itself is only logged, on stderr.
- Reset. With auto_offset_reset=none poll raises OffsetOutOfRangeError, again at each poll. It is a notice "reset". (Any
  value but earliest and latest means none; 3.x also raises where OffsetForLeaderEpoch shows that the log was cut back.)
- Rack. 3.x: client_rack. A preferred replica that falls silent is given up after request_timeout_ms (30 s). 2.x has
  none: it reads from a follower through the broker's local-read listener only.
- Size. 2.x refuses an answer above 1,000,000 bytes and closes the connection, although it asks for 1 MiB a partition;
  3.x takes 100 MB. The driver sets that for both.
- CRC. check_crcs is on by default, and it uses the crc32c package where there is one.
- Produce. Futures carry the offset. Idempotence is on by default in 3.x and off in 2.x. batch_size is where a batch is full;
  a larger record goes alone, up to max_request_size, which is set from max_request_bytes. The calling thread may block
  in send for metadata, up to max_block_ms (a minute).
- Records. A header's value cannot be null, nor key and value both: such a record is refused before it is sent.
- Threads. A consumer must be used by one thread only, and cannot be woken: a seek waits for the poll under way.
"""

import logging
import platform

import kafka
from kafka import ConsumerRebalanceListener, KafkaConsumer, KafkaProducer, TopicPartition
from kafka import errors

import lockstep_driver

HAS_RACK = "client_rack" in KafkaConsumer.DEFAULT_CONFIG


class Driver(lockstep_driver.Driver):
    def info(self):
        return {
            "client": "kafka-python",
            "version": kafka.__version__,
            "runtime": f"{platform.python_implementation()} {platform.python_version()}",
            "features": (["rack"] if HAS_RACK else []) + ["idempotence", "group", "empty-header-value"],
            "codecs": lockstep_driver.CODECS,
        }

    def open_producer(self, bootstrap, topic, config):
        return Producer(bootstrap, topic, config)

    def open_consumer(self, bootstrap, topic, config, notice):
        return Consumer(bootstrap, topic, config, notice)

    def kind(self, error):
        resets = (errors.OffsetOutOfRangeError,)
        for name in ("NoOffsetForPartitionError", "LogTruncationError"):
            resets += (getattr(errors, name, errors.OffsetOutOfRangeError),)
        return "reset" if isinstance(error, resets) else "error"


def configuration(bootstrap, config, names):
    """The library's arguments; what the command leaves out, or at 0, is left at the library's default."""
    conf = {"bootstrap_servers": bootstrap}
    conf.update({theirs: config[ours] for ours, theirs in names.items() if config.get(ours)})
    return conf


class Producer:
    def __init__(self, bootstrap, topic, config):
        acks = config.get("acks") or "all"
        codec = config.get("codec") or "none"
        self._topic = topic
        self._client = KafkaProducer(
            acks=acks if acks == "all" else int(acks),
            compression_type=None if codec == "none" else codec,
            enable_idempotence=bool(config.get("idempotent")),
            linger_ms=config.get("linger_ms", 0),
            **configuration(
                bootstrap,
                config,
                {
                    "batch_bytes": "batch_size",
                    "delivery_timeout_ms": "delivery_timeout_ms",
                    "max_request_bytes": "max_request_size",
                },
            ),
        )

    def send(self, partition, record, done):
        future = self._client.send(
            self._topic,
            value=record.value,
            key=record.key,
            headers=record.headers,
            partition=partition,
            timestamp_ms=record.timestamp,
        )
        future.add_callback(lambda metadata: done(metadata.offset, None))
        future.add_errback(lambda error: done(-1, error))

    def close(self, grace):
        try:
            self._client.close(timeout=grace)  # raises KafkaTimeoutError where something is left
        except AttributeError:
            # kafka-python 2 has its sender end, and then wakes it up: one that has ended in between has closed
            # what it would be woken by. Everything was flushed before that.
            self._client._sender.join(grace)
            if self._client._sender.is_alive():
                raise


class Consumer(ConsumerRebalanceListener):
    def __init__(self, bootstrap, topic, config, notice):
        self._topic = topic
        self._notice = notice
        group = config.get("group") or None
        names = {"max_wait_ms": "fetch_max_wait_ms", "fetch_max_bytes": "fetch_max_bytes"}
        if config.get("rack"):
            if not HAS_RACK:
                raise ValueError(f"kafka-python {kafka.__version__} has no rack")
            names["rack"] = "client_rack"
        self._client = KafkaConsumer(
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest" if group else "none",
            isolation_level=config.get("isolation") or "read_uncommitted",
            receive_message_max_bytes=100_000_000,  # 3.x's default; 2.x's is less than its own fetch size
            **configuration(bootstrap, config, names),
        )
        if group:
            self._client.subscribe([topic], listener=self)
            return
        partitions = [TopicPartition(topic, p) for p in config["partitions"]]
        self._client.assign(partitions)
        if config.get("offsets"):
            for partition, offset in zip(partitions, config["offsets"]):
                self._client.seek(partition, offset)
        else:
            self._client.seek_to_beginning(*partitions)

    def on_partitions_revoked(self, revoked):
        self._notice("rebalance", f"revoked {sorted(p.partition for p in revoked)}")

    def on_partitions_assigned(self, assigned):
        self._notice("rebalance", f"assigned {sorted(p.partition for p in assigned)}")

    def poll(self, seconds):
        polled = self._client.poll(timeout_ms=int(seconds * 1000))
        return [fields(message) for messages in polled.values() for message in messages]

    def seek(self, partition, offset):
        self._client.seek(TopicPartition(self._topic, partition), offset)

    def commit(self):
        self._client.commit()

    def close(self):
        self._client.close(autocommit=False)


def fields(message):
    kind = "append" if message.timestamp_type == 1 else "create"
    return (
        message.partition,
        message.offset,
        message.timestamp,
        kind,
        message.key,
        message.value,
        message.headers,
    )


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    lockstep_driver.main(Driver())
