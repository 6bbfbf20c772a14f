# For a shell that tries the examples by hand, beside a running server:  . apps/try.sh
#   cse_get PATH            what is there; PATH/la is the newest reading
#   cse_make PATH           a container, with those above it that are missing
#   cse_add PATH VALUE      a reading: a number, JSON or any text
#   cse_register ID         an AE of that name ("Cguest"), to ask as: FROM=Cguest cse_get PATH
#   cse_watch PATH FORMAT   prints the notifications of a container in that format, Ctrl-C stops
# CSE=http://127.0.0.1:8080/moon is where the server is, FROM=CAdmin who asks.

cse_ask() {			# PATH [CURL ARGUMENT]...
	local to="$1"
	shift
	curl -sS -H "X-M2M-Origin: ${FROM:-CAdmin}" -H "X-M2M-RI: try" -H "X-M2M-RVI: 3" "$@" \
		"${CSE:-http://127.0.0.1:8080/moon}$to"
}

cse_create() {			# PATH TYPE ATTRIBUTES [CURL ARGUMENT]...
	local to="$1" kind="$2" body="$3"
	shift 3
	cse_ask "$to" -H "Content-Type: application/json;ty=$kind" -d "$body" "$@"
}

cse_get() { cse_ask "$1" && echo; }

cse_make() {
	local above="${1%/*}" answer
	[ -z "$above" ] || cse_ask "$above" -f -o /dev/null 2>/dev/null || cse_make "$above"
	answer=$(cse_create "$above" 3 "{\"m2m:cnt\":{\"rn\":\"${1##*/}\"}}")
	echo "$answer"
}

cse_add() {
	local value="$2" json='-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][-+]?[0-9]+)?|true|false|[[{].*'
	printf %s "$value" | grep -Eqxe "$json" || value="\"$value\""
	cse_create "$1" 4 "{\"m2m:cin\":{\"con\":$value}}" && echo
}

cse_register() {
	FROM="$1" cse_create "" 2 \
		"{\"m2m:ae\":{\"rn\":\"${1#?}\",\"api\":\"Ntry\",\"rr\":true,\"srv\":[\"3\"]}}" && echo
}

cse_watch() {			# as the AE Ctry, which is registered anew
	local url
	FROM=Ctry cse_ask /try -X DELETE -o /dev/null
	url=$(FROM=Ctry cse_create "" 2 '{"m2m:ae":{"rn":"try","api":"Ntry","rr":true,"srv":["3"]}}' -i |
		tr -d '\r' | sed -n 's/^[Ll]ink: <\([^>]*\)>.*/\1/p')
	cse_ask "$1/try" -X DELETE -o /dev/null
	# a second later: the CSE asks the listener whether it wants the subscription
	(sleep 1 && cse_create "$1" 23 "{\"m2m:sub\":{\"rn\":\"try\",\"nu\":[\"Ctry\"],
		\"enc\":{\"net\":[3]},\"lbl\":[\"format:$2\"]}}" -o /dev/null &)
	"${MOON2M:-moon2m}" listen "$url"
}
