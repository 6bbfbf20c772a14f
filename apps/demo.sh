#!/usr/bin/env bash
# The main job, shown on real input: starts moon2m with apps/host_metrics.lua, registers an AE over
# HTTP, opens the WebSocket it was told, subscribes, and prints every notification as it arrives.
# Usage: apps/demo.sh [PORT]; DEMO_SECONDS=n stops by itself after n seconds.  Ctrl-C stops it.
set -euo pipefail
cd "$(dirname "$0")/.."
port=${1:-8080}
base=http://127.0.0.1:$port/moon
bin=${MOON2M:-build/moon2m}
data=${DEMO_DATA:-./data}
server=0
listener=0

stop() {
	trap - INT TERM EXIT
	[ "$listener" = 0 ] || kill "$listener" 2>/dev/null || true
	if [ "$server" != 0 ]; then
		kill -TERM "$server" 2>/dev/null || true
		wait "$server" 2>/dev/null || true
	fi
	echo "stopped; the data is kept in $data"
	exit "${1:-0}"
}

m2m() {			# METHOD ORIGINATOR URL [CONTENT-TYPE BODY]: headers and body of the answer
	local args=(-sS -i -X "$1" -H "X-M2M-Origin: $2" -H "X-M2M-RI: demo" -H "X-M2M-RVI: 3")
	[ $# -lt 5 ] || args+=(-H "Content-Type: $4" -d "$5")
	curl "${args[@]}" "$3"
}

if (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
	echo "port $port is taken; another one: apps/demo.sh PORT, make run PORT=n" >&2
	exit 1
fi
"$bin" run -c apps/demo.conf.lua --data "$data" --listen "127.0.0.1:$port" \
	apps/host_metrics.lua apps/live.lua &
server=$!
trap 'stop 0' INT TERM
trap 'stop 1' EXIT
for _ in $(seq 100); do
	curl -sf "http://127.0.0.1:$port/healthz" >/dev/null && break
	kill -0 "$server" 2>/dev/null || { echo "moon2m did not start" >&2; exit 1; }
	sleep 0.1
done

m2m DELETE Cviewer "$base/viewer" >/dev/null		# of an earlier run, if any
echo "--- an AE registers over HTTP and is told where its notification service is:"
answer=$(m2m POST Cviewer "$base" "application/json;ty=2" \
	'{"m2m:ae":{"rn":"viewer","api":"Ndemo.viewer","rr":true,"srv":["3"]}}')
printf '%s\n' "$answer" | tr -d '\r' | grep -iE '^(HTTP|X-M2M-RSC|Link)'
url=$(printf '%s\n' "$answer" | tr -d '\r' | sed -n 's/^[Ll]ink: <\([^>]*\)>.*/\1/p')
[ -n "$url" ] || { printf '%s\n' "$answer" >&2; exit 1; }

echo "--- it subscribes to this host's load, memory and network:"
for what in load memory network; do
	m2m DELETE Cviewer "$base/host/$what/demo" >/dev/null
	m2m POST Cviewer "$base/host/$what" "application/json;ty=23" \
		'{"m2m:sub":{"rn":"demo","nu":["Cviewer"],"enc":{"net":[3]}}}' |
		tr -d '\r' | grep -i '^X-M2M-RSC' | sed "s/^/$what: /"
done

cat <<TEXT
--- the same by hand, in a second terminal:
  curl -i -H 'X-M2M-Origin: Cme' -H 'X-M2M-RI: 1' -H 'X-M2M-RVI: 3' \\
    -H 'Content-Type: application/json;ty=2' $base \\
    -d '{"m2m:ae":{"rn":"me","api":"Nme","rr":true,"srv":["3"]}}'
  $bin listen URL                # the URL of the Link header in that answer; leave it running
  curl -H 'X-M2M-Origin: Cme' -H 'X-M2M-RI: 2' -H 'X-M2M-RVI: 3' \\
    -H 'Content-Type: application/json;ty=23' $base/host/load \\
    -d '{"m2m:sub":{"rn":"mine","nu":["Cme"],"enc":{"net":[3]}}}'
  curl -H 'X-M2M-Origin: Cme' -H 'X-M2M-RI: 3' -H 'X-M2M-RVI: 3' $base/host/load/la
--- the same as a chart in a browser: open http://127.0.0.1:$port/live and click once
--- it opens a WebSocket at $url
--- every notification as it arrives (Ctrl-C stops):
TEXT
"$bin" listen "$url" &
listener=$!
if [ -n "${DEMO_SECONDS:-}" ]; then
	sleep "$DEMO_SECONDS"
	stop 0
fi
wait "$server"
