-- For wire tests of TLS: certificates made by openssl in a directory of the test, and clients that
-- look at what a port shows.

local h = require "harness"

local tls = {}

local MAKE = [[
cd %s && {
new='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30'
self() {
  openssl req -x509 $new -subj /CN=$1 -keyout $1.key -out $1.pem -addext subjectAltName=$2
}
self localhost DNS:localhost,IP:127.0.0.1
self renewed DNS:localhost,IP:127.0.0.1
self b.example DNS:b.example
self rogue DNS:rogue.example
openssl req -x509 $new -subj /CN=authority -keyout authority.key -out authority.pem
openssl req $new -subj /CN=client -keyout client.key -out client.csr
printf 'subjectAltName=URI:urn:ae:Cdev,DNS:dev.example' >client.ext
openssl x509 -req -in client.csr -CA authority.pem -CAkey authority.key -CAcreateserial -days 30 \
  -extfile client.ext -out client.pem
cp localhost.pem current.pem; cp localhost.key current.key
} >/dev/null 2>&1]]

--- Makes localhost, renewed, b.example, rogue (each signed by itself), authority and client (by the
-- authority), as NAME.pem and NAME.key; current is a copy of localhost.
function tls.make(dir)
  h.sh(MAKE, dir)
  assert(#h.read_file(dir .. "/client.pem") > 0, "openssl made no certificates")
end

--- What `openssl s_client` says, and its exit code; input: what is sent behind the handshake.
function tls.client(port, options, input)
  return h.sh("printf %s | timeout 10 openssl s_client -connect 127.0.0.1:%d %s",
    h.quoted(input or ""), port, options or "")
end

--- The suite and version of a handshake, "TLSv1.3 TLS_AES_128_GCM_SHA256"; nil, the output.
function tls.agreed(port, options)
  local out = tls.client(port, options)
  local version, suite = out:match("New, (TLSv[%d.]+), Cipher is ([%w_-]+)")
  if not version then return nil, out end
  return (out:match("Protocol *: (TLSv[%d.]+)") or version) .. " " .. suite
end

--- The common name of the certificate that the port shows.
function tls.shown(port, options)
  return (tls.client(port, options)):match("subject=CN = ([%w.]+)")
end

--- The port of the server's sockets with TLS.
function tls.port(s)
  return tonumber(s:text():match("boot ready[^\n]* https=127%.0%.0%.1:(%d+)"))
end

--- curl's output and exit code.
function tls.curl(s, options, path)
  return h.sh("curl -sS -m 10 --cacert %s/localhost.pem %s https://localhost:%d%s", s.dir, options,
    tls.port(s), path)
end

return tls
