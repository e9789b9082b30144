#!/bin/bash
# What the image's entrypoint does as an ordinary user without passwords is to start the server, which reads the
# variables with dots itself. The node may give fewer open files than a runtime does; see files.c.
set -e
umask 0002
cd /usr/share/elasticsearch
export LD_PRELOAD=/usr/local/lib/files.so
exec bin/elasticsearch
