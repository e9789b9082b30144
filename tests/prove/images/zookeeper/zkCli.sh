#!/bin/bash
# ZooKeeper's client, which takes its commands from the input.
exec java -Xmx64m -XX:TieredStopAtLevel=1 -cp '/opt/zookeeper/libs/*' org.apache.zookeeper.ZooKeeperMain "$@"
