#!/bin/bash
# Like the image's entry point: turns the variables KAFKA_... into properties, formats the storage, and runs the broker.
set -euo pipefail
folder=/tmp/kafka
mkdir -p "$folder"
if [ ! -e "$folder/server.properties" ]; then
    env | sed -n 's/^KAFKA_//p' | while IFS='=' read -r name value; do
        name=${name,,}
        echo "${name//_/.}=$value"
    done >"$folder/server.properties"
    echo "log.dirs=$folder/data" >>"$folder/server.properties"
fi
cat >"$folder/log4j2.properties" <<'PROPERTIES'
status = off
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d] %p %m (%c{1})%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
PROPERTIES
run=(java -Xmx512m -cp '/opt/kafka/libs/*' "-Dlog4j2.configurationFile=$folder/log4j2.properties")
"${run[@]}" kafka.tools.StorageTool format --ignore-formatted -t 5L6g3nShT-eMCtK--X86sw -c "$folder/server.properties"
exec "${run[@]}" kafka.Kafka "$folder/server.properties"
