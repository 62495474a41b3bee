// franz-go: a loop that answers each record and does not wait until the broker has the reply.
//
// By default, franz-go commits every five seconds the offsets of the records of earlier polls. A crash loses the replies
// that are not sent yet.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/twmb/franz-go/pkg/kgo"
)

type item struct {
	SKU   string `json:"sku"`
	Count int    `json:"count"`
}

type order struct {
	Items []item `json:"items"`
}

type created struct {
	ID    string `json:"id"`
	Items []item `json:"items"`
}

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func serve() error {
	stop, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	client, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(os.Getenv("KAFKA"), ",")...),
		kgo.ConsumerGroup(os.Getenv("GROUP")),
		kgo.ConsumeTopics(os.Getenv("TOPIC")),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.ProducerLinger(0),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	for {
		fetches := client.PollFetches(stop)
		if stop.Err() != nil {
			return client.Flush(context.Background())
		}
		for _, failed := range fetches.Errors() {
			return failed.Err
		}
		fetches.EachRecord(func(request *kgo.Record) {
			client.Produce(context.Background(), answer(request), func(_ *kgo.Record, err error) {
				if err != nil {
					fmt.Fprintln(os.Stderr, "reply:", err)
				}
			})
		})
	}
}

func answer(request *kgo.Record) *kgo.Record {
	reply := &kgo.Record{Key: request.Key}
	for _, header := range request.Headers {
		switch header.Key {
		case "reply-to":
			reply.Topic = string(header.Value)
		case "x-reply-set-header":
			name, value, _ := strings.Cut(string(header.Value), ":")
			own := kgo.RecordHeader{Key: name, Value: []byte(strings.TrimSpace(value))}
			reply.Headers = append(reply.Headers, own)
		}
	}
	status := "200"
	var asked order
	if err := json.Unmarshal(request.Value, &asked); err != nil {
		status = "422"
	} else {
		// Strings and numbers always marshal.
		reply.Value, _ = json.Marshal(created{ID: newID(), Items: asked.Items})
	}
	reply.Headers = append(reply.Headers, kgo.RecordHeader{Key: "status-code", Value: []byte(status)})
	return reply
}

// A random UUID, version 4.
func newID() string {
	var bytes [16]byte
	// rand.Read never fails since Go 1.24.
	rand.Read(bytes[:])
	bytes[6] = bytes[6]&0x0f | 0x40
	bytes[8] = bytes[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", bytes[:4], bytes[4:6], bytes[6:8], bytes[8:10], bytes[10:])
}
