#!/bin/bash
# What the image's entrypoint does: an address and the variables CASSANDRA_* are written into the configuration, here
# of those settings alone that have no default or that the image's file sets otherwise.
set -e
[[ $1 == cassandra ]] || exec "$@"
address=$(ip -4 -o address show eth0 | awk '{ sub("/.*", "", $4); print $4 }')
conf=/etc/cassandra
{
	echo "cluster_name: '${CASSANDRA_CLUSTER_NAME:-Test Cluster}'"
	echo "num_tokens: ${CASSANDRA_NUM_TOKENS:-16}"
	echo 'partitioner: org.apache.cassandra.dht.Murmur3Partitioner'
	echo 'commitlog_sync: periodic'
	echo 'commitlog_sync_period: 10000ms'
	echo 'data_file_directories: [/var/lib/cassandra/data]'
	for directory in commitlog saved_caches hints; do echo "${directory}_directory: /var/lib/cassandra/$directory"; done
	echo 'seed_provider:'
	echo '- class_name: org.apache.cassandra.locator.SimpleSeedProvider'
	echo "  parameters: [{seeds: \"${CASSANDRA_SEEDS:-$address}\"}]"
	echo "listen_address: ${CASSANDRA_LISTEN_ADDRESS:-$address}"
	echo "broadcast_address: ${CASSANDRA_BROADCAST_ADDRESS:-$address}"
	echo "rpc_address: ${CASSANDRA_RPC_ADDRESS:-0.0.0.0}"
	echo "broadcast_rpc_address: ${CASSANDRA_BROADCAST_RPC_ADDRESS:-$address}"
	echo "endpoint_snitch: ${CASSANDRA_ENDPOINT_SNITCH:-SimpleSnitch}"
} >"$conf/cassandra.yaml"
printf '%s\n' "dc=${CASSANDRA_DC:-dc1}" "rack=${CASSANDRA_RACK:-rack1}" >"$conf/cassandra-rackdc.properties"
exec "$@"
