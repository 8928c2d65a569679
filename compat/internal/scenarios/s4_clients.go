package scenarios

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"lockstep/compat/internal/clients"
	"lockstep/compat/internal/history"
	"lockstep/compat/internal/records"
	"lockstep/compat/internal/scenario"
)

// 4.1, 4.2, 4.3: what a user of each client does first: write a file of 1000 lines with its producer as it comes, read
// it back with its consumer in a group, from a follower, and compare the two files.
//
// Must be seen: 1000 records, order and values exact, diff empty; all served by the follower.
func kafkaPython() *scenario.Scenario {
	return linesScenario("4.1", "kafka-python: 1000 lines there and back, diff empty", "kafka-python-2", "kafka-python-3")
}

func javaTools() *scenario.Scenario {
	return linesScenario("4.2", "Java and the console tools: 1000 lines there and back, diff empty", "java-console", "java")
}

func confluent() *scenario.Scenario {
	return linesScenario("4.3", "confluent-kafka: 1000 lines there and back, diff empty", "confluent-kafka-python", "confluent-kafka-go")
}

func linesScenario(id, title string, kinds ...string) *scenario.Scenario {
	return &scenario.Scenario{ID: id, Title: title, Limit: 2 * time.Minute,
		With: func(k clients.Kind) bool { return slices.Contains(kinds, k.Name) },
		Run:  runLines}
}

func runLines(ctx context.Context, c *scenario.Cell) error {
	t, err := c.Topic(ctx, 1, nil)
	if err != nil {
		return err
	}
	client, err := c.StartUnderTest(ctx)
	if err != nil {
		return err
	}
	window, err := c.OpenWindow(ctx)
	if err != nil {
		return err
	}
	lines := records.Plain(c.Seed, recordsPerCell, time.Now().UnixMilli())
	o := clients.ProducerOptions{Bootstrap: c.Cluster.Bootstrap(), Topic: t.Name, Codec: "none", Idempotent: idempotent(client)}
	if err := write(ctx, client, "writer-none", o, t, 0, lines); err != nil {
		return err
	}
	if err := allAcked(c, []string{"none"}, len(lines)); err != nil {
		return err
	}
	const reader = "reader"
	from := c.FromFollower(t, t.Followers[0])
	from.Group = t.Name + "-group"
	if err := client.OpenConsumer(ctx, reader, from); err != nil {
		return err
	}
	end, err := c.ReadToEnd(ctx, t, 0, reader)
	if err != nil {
		return err
	}
	if err := client.Commit(ctx, reader); err != nil {
		return err
	}
	if err := client.Close(ctx); err != nil {
		return err
	}
	if err := sameFile(c, lines, reader); err != nil {
		return err
	}
	t.Followers = t.Followers[:1] // that it read from
	return proveAndCompare(ctx, c, t, window, end)
}

// sameFile writes what was sent and what the reader got, in the order it got it, as files of lines and compares them.
func sameFile(c *scenario.Cell, lines []records.Record, reader string) error {
	var sent, got bytes.Buffer
	for _, r := range lines {
		fmt.Fprintf(&sent, "%s\t%s\n", r.Key, r.Value)
	}
	for _, e := range c.H.Events() {
		if e.Kind == history.Read && e.Handle == reader {
			key, _ := e.Record.Key.Whole()
			value, _ := e.Record.Value.Whole()
			fmt.Fprintf(&got, "%s\t%s\n", key, value)
		}
	}
	want, err := c.WriteFile("sent.txt", sent.Bytes())
	if err != nil {
		return err
	}
	have, err := c.WriteFile("received.txt", got.Bytes())
	if err != nil {
		return err
	}
	if d := diff(sent.Bytes(), got.Bytes()); d != "" {
		return fmt.Errorf("diff %s %s is not empty: %s", want, have, d)
	}
	return nil
}
