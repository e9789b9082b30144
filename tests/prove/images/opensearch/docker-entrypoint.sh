#!/bin/bash
# What the image's entrypoint does without plugins: variables with dots become settings. The node may give fewer open
# files than a runtime does; see files.c.
set -e
umask 0002
cd /usr/share/opensearch
export LD_PRELOAD=/usr/local/lib/files.so
settings=()
while IFS='=' read -r name value; do
	if [[ $name =~ ^[a-z0-9_]+\.[a-z0-9_]+ && $value ]]; then settings+=("-E$name=$value"); fi
done < <(env)
exec bin/opensearch "${settings[@]}"
