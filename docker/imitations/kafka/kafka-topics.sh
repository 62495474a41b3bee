#!/bin/sh
# The part of Kafka's own script that docker/compose.yaml uses.
exec java -Xmx128m -cp '/opt/kafka/libs/*' org.apache.kafka.tools.TopicCommand "$@"
