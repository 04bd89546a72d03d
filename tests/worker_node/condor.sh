#!/bin/bash
# Starts a one-machine HTCondor pool in the node, waits until it takes jobs, becomes
# COMMAND: condor.sh COMMAND ARG…   Runs as root inside the node.
set -euo pipefail
cp /run/condor_config /etc/condor/config.d/90-test-pool
[[ ! -e /run/condor-extra.conf ]] || cp /run/condor-extra.conf /etc/condor/config.d/95-extra
install -d -o condor -g condor /run/condor /var/log/condor /var/lock/condor /var/lib/condor/{spool,execute}
chmod 755 /var/lib/condor/execute

# Forked twice, so that the command's own children are only those that it starts.
(env -i PATH="$PATH" LANG=C.UTF-8 condor_master -f </dev/null >/var/log/condor/master.out 2>&1 &)

ready() {
    [[ -n $(condor_status -af Name 2>/dev/null) ]] &&
        condor_q -all -af ClusterId >/dev/null 2>&1 &&
        [[ -n $(condor_status -schedd -af Name 2>/dev/null) ]]
}
deadline=$((SECONDS + 300))
until ready; do
    ((SECONDS < deadline)) || {
        tail -n 20 /var/log/condor/*Log >&2
        echo "worker-node: the HTCondor pool takes no jobs after 300 s" >&2
        exit 125
    }
    sleep 0.1
done
exec "$@"
