rockspec_format = "3.0"
package = "moon2m"
version = "scm-1"

-- `luarocks make --deps-mode none rockspec/moon2m-scm-1.rockspec` in a checkout builds and installs it.
source = {
  url = "git+file://.",
}

description = {
  summary = "A oneM2M CSE runtime in C, scriptable in Lua",
  detailed = [[
One binary, moon2m: HTTP and WebSocket bindings, a durable resource store, notifications over one
WebSocket, and applications written in Lua that are loaded when it starts.  Needs LuaJIT,
libwebsockets, libev, SQLite, libcbor, libmosquitto, libedit, OpenSSL and llhttp with their
headers.]],
  license = "MIT",
  labels = { "iot", "onem2m", "server" },
}

dependencies = {
  "lua == 5.1",
}

build = {
  type = "make",
  build_target = "all",
  install_target = "install",
  install_variables = {
    PREFIX = "$(PREFIX)",
    BINDIR = "$(BINDIR)",
  },
}

test = {
  type = "command",
  command = "make test",
}
