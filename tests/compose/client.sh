#!/bin/sh
# A client inside the network of the compose file: posts queries until /out/stop is there, each under an id of its own
# and until its fate is known; then reads the record of each. Runs in busybox.
#     /out/acknowledged  ids that the bus has taken      /out/unknown  ids of which nobody knows
#     /out/records       one record a line               /out/probe    when a query was taken last, in seconds since 1970
#     /out/errors        what was said to a post that was not taken, one a line
set -u
number=0
while [ ! -e /out/stop ]; do
    number=$((number + 1))
    id="$(cat /proc/sys/kernel/random/uuid)"
    tries=0
    while ! agentbus post --id "$id" --from shell --type get_project_context "Context needed: number $number" >/dev/null 2>/out/error; do
        tr '\n' ' ' </out/error >>/out/errors
        echo >>/out/errors
        tries=$((tries + 1))
        [ "$tries" -lt 20 ] || break
        sleep 1
    done
    if [ "$tries" -lt 20 ]; then
        echo "$id" >>/out/acknowledged
        date +%s >/out/now && mv /out/now /out/probe
    else
        echo "$id" >>/out/unknown
    fi
done
while read -r id; do
    tries=0
    # A query that has just been posted may take its time.
    while :; do
        record="$(agentbus history --json --from shell "$id" 2>/dev/null | tr -d '\n')"
        tries=$((tries + 1))
        case "$record" in *'"ended_at"'*) break ;; esac
        [ "$tries" -lt 20 ] || break
        sleep 1
    done
    printf '%s\n' "$record" >>/out/records
done </out/acknowledged
touch /out/done
