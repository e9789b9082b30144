#!/bin/bash
# What ZooKeeper's script does for `start-foreground`, with the heap that its zkEnv.sh takes from ZK_SERVER_HEAP.
exec java "-Xmx${ZK_SERVER_HEAP:-1000}m" -cp '/opt/zookeeper/libs/*' $JVMFLAGS \
	org.apache.zookeeper.server.quorum.QuorumPeerMain "$ZOO_CONF_DIR/zoo.cfg"
