// A bare echo loop over franz-go. `harness limits` compares the bridge with it, and with the loop of `echo.rs`.
//
// It does the same as `echo.rs` in its mode `pipelined`: it answers each record with status 200 and no value on the
// topic in `reply-to`, does not wait for delivery reports, and commits an offset after its reply's report. It trusts
// its requesters, limits nothing and survives no failure. It writes `ready` to standard error when it has its
// partitions.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// The same as the bridge's.
const commitInterval = 200 * time.Millisecond

const lastCommit = 10 * time.Second

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run() error {
	kafka := flag.String("kafka", "", "the brokers, kafka://host:port")
	group := flag.String("group-id", "", "the consumer group")
	topic := flag.String("topic", "", "the topic to serve")
	flag.Parse()
	brokers, plain := strings.CutPrefix(*kafka, "kafka://")
	if !plain || *group == "" || *topic == "" {
		return fmt.Errorf("--kafka kafka://host:port, --group-id and --topic are needed")
	}
	stop, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	client, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(brokers, ",")...),
		kgo.ConsumerGroup(*group),
		kgo.ConsumeTopics(*topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerLinger(0),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, given map[string][]int32) {
			if len(given) > 0 {
				fmt.Fprintln(os.Stderr, "ready")
			}
		}),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	served := serve(stop, client)
	flushed, done := context.WithTimeout(context.Background(), lastCommit)
	defer done()
	if err := client.Flush(flushed); err != nil && served == nil {
		served = err
	}
	if err := finished.commit(flushed, client); err != nil && served == nil {
		served = err
	}
	return served
}

func serve(stop context.Context, client *kgo.Client) error {
	committed := time.Now()
	for {
		wait, done := context.WithTimeout(stop, commitInterval)
		fetches := client.PollFetches(wait)
		done()
		if stop.Err() != nil {
			return nil
		}
		for _, failed := range fetches.Errors() {
			if failed.Err != context.DeadlineExceeded {
				return fmt.Errorf("consuming: %w", failed.Err)
			}
		}
		fetches.EachRecord(func(request *kgo.Record) { answer(client, request) })
		if err := finished.failure(); err != nil {
			return fmt.Errorf("producing: %w", err)
		}
		if time.Since(committed) >= commitInterval {
			committed = time.Now()
			if err := finished.commit(stop, client); err != nil && stop.Err() == nil {
				return fmt.Errorf("committing: %w", err)
			}
		}
	}
}

// Produces the reply, with the status and the requested header, to the requested topic.
func answer(client *kgo.Client, request *kgo.Record) {
	reply := &kgo.Record{
		Key:     request.Key,
		Value:   []byte{},
		Headers: []kgo.RecordHeader{{Key: "status-code", Value: []byte("200")}},
	}
	for _, header := range request.Headers {
		switch header.Key {
		case "reply-to":
			reply.Topic = string(header.Value)
		case "x-reply-set-header":
			if key, value, found := strings.Cut(string(header.Value), ":"); found {
				value = strings.TrimLeft(value, " ")
				reply.Headers = append(reply.Headers, kgo.RecordHeader{Key: key, Value: []byte(value)})
			}
		}
	}
	client.Produce(context.Background(), reply, func(_ *kgo.Record, err error) { finished.note(request, err) })
}

// The last reported record of each partition, if it is not committed yet. Reports come in the order of the replies,
// because there is one reply partition.
type reported struct {
	mutex sync.Mutex
	last  map[int32]*kgo.Record
	err   error
}

var finished = reported{last: map[int32]*kgo.Record{}}

func (own *reported) note(request *kgo.Record, err error) {
	own.mutex.Lock()
	defer own.mutex.Unlock()
	if err != nil {
		own.err = err
		return
	}
	own.last[request.Partition] = request
}

func (own *reported) failure() error {
	own.mutex.Lock()
	defer own.mutex.Unlock()
	return own.err
}

func (own *reported) commit(until context.Context, client *kgo.Client) error {
	own.mutex.Lock()
	records := make([]*kgo.Record, 0, len(own.last))
	for partition, record := range own.last {
		records = append(records, record)
		delete(own.last, partition)
	}
	own.mutex.Unlock()
	if len(records) == 0 {
		return nil
	}
	return client.CommitRecords(until, records...)
}
