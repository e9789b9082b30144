#!/bin/bash
# What the image's entrypoint does as an ordinary user for `agent`.
set -e
[[ $1 == agent ]] && shift
exec consul agent -data-dir=/consul/data -config-dir=/consul/config "$@"
