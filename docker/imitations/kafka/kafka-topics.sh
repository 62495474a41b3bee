#!/bin/sh
# Kafka's own script, as far as docker/compose.yaml uses it.
exec java -Xmx128m -cp '/opt/kafka/libs/*' org.apache.kafka.tools.TopicCommand "$@"
