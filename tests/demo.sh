#!/usr/bin/env bash
# Shows on a real Kubernetes what stateward does: `make demo`. Every command that it runs stands behind a `$`, its
# output below. Exits with 1 if anything that it claims turns out not to be so, and leaves nothing running.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
work=$(mktemp -d)
cluster=$work/cluster
faults=0
background=()

if [[ -t 1 ]]; then bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'; else bold='' dim='' plain=''; fi

# say TEXT: one line of narration.
say() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }

# show COMMAND: the command as one would type it, then what it says.
show() {
	printf '%s$ %s%s\n' "$dim" "$*" "$plain"
	eval "$*"
}

# claim TEXT COMMAND...: the proof is the command's success.
claim() {
	local text=$1
	shift
	if "$@"; then printf '  ✓ %s\n' "$text"; else
		printf '  ✗ %s\n' "$text"
		faults=$((faults + 1))
	fi
}

# ---------------------------------------------------------------------------------------- starting and stopping

# start NAME COMMAND...: in the background; returns when it has said where it is, on one line in NAME.json.
start() {
	local name=$1
	shift
	rm -f "$work/$name.json"
	"$@" <"$work/alive" >"$work/$name.json" 2>"$work/$name.log" 9>&- &
	background+=($!)
	until [[ -s $work/$name.json ]]; do
		kill -0 $! 2>/dev/null || {
			cat "$work/$name.log" >&2
			exit 1
		}
		sleep 0.1
	done
}

# stop PID: asks, and returns when it has ended.
stop() {
	kill "$1" 2>/dev/null || true
	wait "$1" 2>/dev/null || true
}

stop_all() {
	local i
	for ((i = ${#background[@]} - 1; i >= 0; i--)); do stop "${background[i]}"; done
	background=()
}

# What runs in the background reads from a pipe that this shell alone can write to, and stops when that ends: whatever
# becomes of the shell, they do not outlive it.
mkfifo "$work/alive"
exec 9<>"$work/alive"

trap 'stop_all; rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

start_stateward() {
	start stateward tests/control-plane/webhook --stop-on-eof --cluster "$cluster" --program "$stateward" \
		--log "$work/stateward.log" -- "$@"
}

start_controller() {
	start controller tests/control-plane/controller --stop-on-eof --cluster "$cluster" --program "$stateward" \
		--log "$work/stateward-controller.log" -- --configuration tests/control-plane/configuration.yaml "$@"
}

# ---------------------------------------------------------------------------------------------- what is compared

digest() { git hash-object --stdin | cut -c1-12; }

# What would differ after a restart: the pod's uid, the number of ControllerRevisions, the template.
pod() { kubectl get pod orders-db-0 -o jsonpath='{.metadata.uid}'; }
revisions() { kubectl get controllerrevisions -l stateward.dev/statefulset=orders-db -o name | wc -l | tr -d ' '; }
template() { kubectl get statefulset orders-db -o jsonpath='{.spec.template}' | digest; }

settled() {
	kubectl rollout status statefulset/orders-db --timeout=120s >/dev/null
	kubectl wait pod/orders-db-0 --for=condition=Ready --timeout=120s >/dev/null
}

table=()
# compare WHAT: remembers a line of the table.
compare() {
	settled
	local now verdict='nothing restarted'
	now="$(pod) $(revisions) $(template)"
	if [[ $now != "$before" ]]; then
		verdict='RESTARTED'
		faults=$((faults + 1))
	fi
	# shellcheck disable=SC2086 # three words
	table+=("$(printf '%-34s %-37s %9s   %-13s %s' "$1" $now "$verdict")")
}

# --------------------------------------------------------------------------------------------------- the demo

say 'Building stateward and the programs of a Kubernetes (minutes the first time, seconds later).'
cargo build --locked --quiet
stateward=${CARGO_TARGET_DIR:-$root/target}/debug/stateward
bin=$(tests/control-plane/build)

say 'Starting etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kwok on loopback, then stateward.'
start cluster "$bin/control-plane" up --stop-on-eof --data "$cluster"
start_stateward
start_controller
export KUBECONFIG=$cluster/kubeconfig/developer.yaml PATH=$work/bin:$PATH
mkdir "$work/bin"
ln -s "$bin/kubectl" "$bin/helm" "$stateward" "$work/bin/"

say 'Ten lines of PostgreSQL.'
show cat examples/postgresql.yaml
show kubectl apply -f examples/postgresql.yaml
show kubectl rollout status statefulset/orders-db

say 'What the cluster holds now: all of it was added, but for the name and the image of the container.'
interesting='{.spec.serviceName}{"\n"}{.spec.selector.matchLabels}{"\n"}'
show "kubectl get statefulset orders-db -o jsonpath='$interesting'"
show "kubectl get statefulset orders-db -o yaml | sed -n '/^  template:/,/^  updateStrategy:/p'"
show "kubectl get statefulset orders-db -o yaml | sed -n '/^  volumeClaimTemplates:/,/^status:/p'"

say 'Its pod is Ready and its claim Bound.'
show kubectl wait pod/orders-db-0 --for=condition=Ready --timeout=60s
show kubectl wait pvc/data-orders-db-0 --for=jsonpath=.status.phase=Bound --timeout=60s
show kubectl get pods,persistentvolumeclaims

say 'What stands beside it: a name for each pod, an address for clients. A budget for one pod would forbid every drain.'
# One by one: of several that are not there yet, kubectl waits for none.
for service in orders-db-headless orders-db; do
	claim "Service $service is there" kubectl wait --for=create "service/$service" --timeout=60s
done
show kubectl get services --selector stateward.dev/statefulset=orders-db
show kubectl get poddisruptionbudgets

say 'Where each field comes from, and what was left out.'
show stateward explain -f examples/postgresql.yaml

say 'A manifest full of faults is refused at once, with all of them and their remedies.'
show cat examples/refused.yaml
show kubectl apply -f examples/refused.yaml '||' echo "exit status \$?"
claim 'nothing of it was stored' eval '! kubectl get statefulset broken-db >/dev/null 2>&1'

say 'From here on, whatever happens, the pod must not restart.'
before="$(pod) $(revisions) $(template)"
compare 'at first'
show kubectl apply -f examples/postgresql.yaml
compare 'applied again'
show kubectl apply --server-side --force-conflicts -f examples/postgresql.yaml
compare 'applied again, server-side'
show kubectl replace -f examples/postgresql.yaml
compare 'replaced by the ten lines'
show kubectl scale statefulset orders-db --replicas=2
compare 'scaled to 2'
show kubectl scale statefulset orders-db --replicas=1
compare 'scaled back to 1'
show kubectl label statefulset orders-db team=orders
compare 'labelled'

say 'The platform wants PostgreSQL otherwise: more memory, a longer grace period. What that would mean, first.'
admin=$cluster/kubeconfig/admin.yaml
show cat examples/profiles/postgresql.yaml
show "stateward preview -f examples/profiles/postgresql.yaml -n default || echo exit status \$?"
show "KUBECONFIG=$admin kubectl apply -f examples/profiles/postgresql.yaml"
show "KUBECONFIG=$admin kubectl wait statefulsetprofile/postgresql --for=condition=Ready --timeout=60s"
show "KUBECONFIG=$admin kubectl get statefulsetprofiles"
other() { sed 's/orders-db/other-db/' examples/postgresql.yaml; }
grace() { kubectl get statefulset "$1" -o jsonpath='{.spec.template.spec.terminationGracePeriodSeconds}'; }
until other | kubectl create --dry-run=server -o yaml -f - | grep -q 'terminationGracePeriodSeconds: 99'; do sleep 0.2; done
show "sed 's/orders-db/other-db/' examples/postgresql.yaml | kubectl apply -f -"
claim 'a new set gets it (a grace period of 99 seconds)' test "$(grace other-db)" = 99
show kubectl apply -f examples/postgresql.yaml
compare 'applied under another profile'
show kubectl replace -f examples/postgresql.yaml
compare 'replaced under another profile'
show kubectl annotate statefulset orders-db note=hello
compare 'annotated under another profile'
claim 'the old set keeps its own' test "$(grace orders-db)" = 120

say 'The proof: one pod, one revision, one template all the way.'
printf '%-34s %-37s %9s   %-13s\n' 'after it was' 'uid of pod orders-db-0' revisions template
printf '%s\n' "${table[@]}"

say 'Now its owner says so: it moves, and its pod restarts once.'
show "stateward diff orders-db || echo exit status \$?"
show stateward upgrade orders-db
claim 'it has what the platform wants' test "$(grace orders-db)" = 99
settled
show stateward profiles postgresql

say 'Three replicas of something else: with a budget, a drain takes one pod after the other.'
show cat examples/search.yaml
show kubectl apply -f examples/search.yaml
show kubectl rollout status statefulset/search
claim 'its budget is there' kubectl wait --for=create poddisruptionbudget/search --timeout=60s
show kubectl get poddisruptionbudgets
node=$(kubectl get pod search-0 -o jsonpath='{.spec.nodeName}')
claim 'the node of search-0 is drained' kubectl --kubeconfig "$admin" drain "$node" --ignore-daemonsets \
	--delete-emptydir-data --force --timeout=120s
kubectl --kubeconfig "$admin" uncordon "$node" >/dev/null
show kubectl rollout status statefulset/search

say 'A budget of the users own: with two, no pod could be evicted at all. Ours goes at once.'
show kubectl create poddisruptionbudget own --selector=stateward.dev/statefulset=search --max-unavailable=1
claim 'ours has gone' kubectl wait --for=delete poddisruptionbudget/search --timeout=60s
show kubectl get events --field-selector reason=BudgetYielded -o custom-columns=NOTE:.message
show stateward status search --wait --configuration tests/control-plane/configuration.yaml

say 'Stopping everything.'
started=("${background[@]}")
stop_all
none_left() {
	local pid
	for pid in "${started[@]}"; do ! kill -0 "$pid" 2>/dev/null || return 1; done
	! ps -A -ww -o args= | grep -F -- "$work" | grep -vqF grep
}
claim 'nothing that was started is left running' none_left

if ((faults > 0)); then
	say "$faults of the claims above did not hold."
	exit 1
fi
say 'All of it held.'
