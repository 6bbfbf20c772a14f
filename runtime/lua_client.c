/*
 * lua_client.c - binds processes, outgoing requests and a notification sink to Lua, for tests
 * against the real binary.  Nothing here outlives the test's process: a server that it started gets
 * SIGKILL when it ends.
 */
#define _GNU_SOURCE
#include "lua_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lauxlib.h>

#include "net.h"
#include "vm.h"

#define ARGS_MAX 64
#define SOCKETS_MAX 64
#define PROCESSES_MAX 16
#define PORTS_MAX 16
#define DATAGRAM_MAX 65536

struct arrival {
	struct arrival *next;
	int socket; /* 0: over HTTP */
	bool binary;
	struct buf path, type, body;
};

struct socket {
	struct conn *conn; /* NULL: closed */
	int number;
};

static struct {
	struct net *net;
	struct net_timer *limit;
	struct arrival *first, **last;
	struct socket sockets[SOCKETS_MAX];
	int nsockets;
	pid_t process[PROCESSES_MAX];
	struct {
		int port, fd;
	} udp[PORTS_MAX];
	size_t nudp;
	bool answered;
	int status;
	struct buf head, body, reason;
} client;

/* ---- what arrives ---------------------------------------------------------------------------- */

static void keep(int socket, struct str path, struct str type, struct str body, bool binary)
{
	struct arrival *a = xcalloc(1, sizeof(*a));

	a->socket = socket;
	a->binary = binary;
	buf_str(&a->path, path);
	buf_str(&a->type, type);
	buf_str(&a->body, body);
	*client.last = a;
	client.last = &a->next;
}

static void arrival_free(struct arrival *a)
{
	buf_free(&a->path);
	buf_free(&a->type);
	buf_free(&a->body);
	free(a);
}

static void on_request(void *arg, struct http_req *r)
{
	struct str ri = http_header(r, "x-m2m-ri");
	struct buf head = BUF_INIT;

	(void)arg;
	keep(0, r->target, http_header(r, "content-type"), r->body, false);
	buf_fmt(&head, "X-M2M-RSC: 2000\r\nX-M2M-RVI: 3\r\n");
	if (ri.p)
		buf_fmt(&head, "X-M2M-RI: %.*s\r\n", STRFMT(ri));
	http_reply(r, 200, buf_view(&head), STR(""));
	buf_free(&head);
}

static void on_message(void *arg, struct conn *c, struct str data, bool binary)
{
	struct socket *s = arg;

	(void)c;
	keep(s->number, STR(""), STR(""), data, binary);
}

static void on_fill(void *arg, struct conn *c)
{
	(void)arg;
	(void)c;
}

static void on_open(void *arg, struct conn *c, const struct ws_hello *h, struct str protocol)
{
	(void)arg;
	(void)c;
	(void)h;
	(void)protocol;
	client.answered = true;
	net_stop(client.net, 0);
}

static void on_closed(void *arg, struct conn *c, int code)
{
	struct socket *s = arg;

	(void)c;
	(void)code;
	s->conn = NULL;
	net_stop(client.net, 0);
}

/* ---- the loop -------------------------------------------------------------------------------- */

static void on_limit(void *arg)
{
	(void)arg;
	net_stop(client.net, 0);
}

/* Until something calls net_stop, or the time is over. */
static void run(double seconds)
{
	net_timer_start(client.limit, seconds);
	net_run(client.net);
	net_timer_stop(client.limit);
}

static void check_open(lua_State *L)
{
	if (!client.net)
		luaL_error(L, "the client is not open");
}

static int fail(lua_State *L, const char *why)
{
	lua_pushnil(L);
	lua_pushstring(L, why);
	return 2;
}

static int client_open(lua_State *L)
{
	static const struct http_server_cb http = { .request = on_request };
	struct net_listen l = { .host = "127.0.0.1", .http = true };
	struct net_handlers h = { &http, NULL, NULL };
	struct err e = { 0 };
	int port;

	lua_client_close();
	client.net = net_new(&NET_LIMITS, &e);
	if (!client.net)
		return fail(L, e.msg);
	client.limit = net_timer_new(client.net, on_limit, NULL);
	client.last = &client.first;
	port = net_listen(client.net, &l, &h, &e);
	if (port < 0) {
		lua_client_close();
		return fail(L, e.msg);
	}
	lua_pushinteger(L, port);
	return 1;
}

static int client_turn(lua_State *L)
{
	double seconds = luaL_checknumber(L, 1);

	check_open(L);
	run(seconds);
	return 0;
}

/* ---- requests -------------------------------------------------------------------------------- */

static void on_answer(void *arg, const struct http_answer *a, const struct err *e)
{
	(void)arg;
	client.answered = true;
	client.status = a->status;
	buf_str(&client.head, a->head);
	buf_str(&client.body, a->body);
	if (!a->status)
		buf_str(&client.reason, str_of(e->msg));
	net_stop(client.net, 0);
}

static int client_http(lua_State *L)
{
	const char *method = luaL_checkstring(L, 1), *url = luaL_checkstring(L, 2);
	struct str head = vm_check_str(L, 3), body = vm_check_str(L, 4);
	double seconds = luaL_checknumber(L, 5);

	check_open(L);
	client.answered = false;
	buf_clear(&client.head);
	buf_clear(&client.body);
	buf_clear(&client.reason);
	http_send(client.net, false, method, url, head, body, seconds, on_answer, NULL);
	for (int i = 0; i < 100000 && !client.answered; i++)
		run(seconds + 1);
	if (!client.status) {
		buf_char(&client.reason, '\0');
		return fail(L, client.reason.p);
	}
	lua_pushinteger(L, client.status);
	vm_push_str(L, buf_view(&client.head));
	lua_pushlstring(L, client.body.p ? client.body.p : "", client.body.n);
	return 3;
}

static int client_dial(lua_State *L)
{
	static const struct ws_cb callbacks = {
		.open = on_open,
		.message = on_message,
		.fill = on_fill,
		.closed = on_closed,
	};
	const char *url = luaL_checkstring(L, 1), *protocol = luaL_checkstring(L, 2);
	struct socket *s = &client.sockets[client.nsockets];
	struct err e = { 0 };

	check_open(L);
	if (client.nsockets >= SOCKETS_MAX)
		return fail(L, "too many WebSockets");
	s->number = ++client.nsockets;
	s->conn = ws_dial(client.net, url, protocol, STR(""), &callbacks, s, &e);
	if (!s->conn)
		return fail(L, e.msg);
	client.answered = false;
	for (int i = 0; i < 100 && s->conn && !client.answered; i++)
		run(0.1);
	if (!s->conn || !client.answered)
		return fail(L, "the connection was not accepted");
	lua_pushinteger(L, s->number);
	return 1;
}

static int client_send(lua_State *L)
{
	lua_Integer number = luaL_checkinteger(L, 1);
	struct str text = vm_check_str(L, 2);
	struct conn *c;

	check_open(L);
	luaL_argcheck(L, number >= 1 && number <= client.nsockets, 1, "no such WebSocket");
	c = client.sockets[number - 1].conn;
	if (c)
		conn_frame(c, false, &text, 1);
	lua_pushboolean(L, c != NULL);
	return 1;
}

static void push_arrival(lua_State *L, const struct arrival *a)
{
	lua_createtable(L, 0, 4);
	if (a->socket)
		lua_pushinteger(L, a->socket);
	else
		vm_push_str(L, buf_view(&a->path));
	lua_setfield(L, -2, "from");
	lua_pushlstring(L, a->type.p ? a->type.p : "", a->type.n);
	lua_setfield(L, -2, "type");
	lua_pushlstring(L, a->body.p ? a->body.p : "", a->body.n);
	lua_setfield(L, -2, "body");
	lua_pushboolean(L, a->binary);
	lua_setfield(L, -2, "binary");
}

static int client_take(lua_State *L)
{
	int n = 0;

	lua_newtable(L);
	while (client.first) {
		struct arrival *a = client.first;

		push_arrival(L, a);
		lua_rawseti(L, -2, ++n);
		client.first = a->next;
		arrival_free(a);
	}
	client.last = &client.first;
	return 1;
}

/* ---- datagrams ------------------------------------------------------------------------------- */

/* The socket for a port of 127.0.0.1; -1: errno says why. */
static int udp_socket(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd;

	for (size_t i = 0; i < client.nudp; i++)
		if (client.udp[i].port == port)
			return client.udp[i].fd;
	errno = EMFILE;
	fd = client.nudp < PORTS_MAX ? socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;
	if (fd < 0)
		return -1;
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
		close(fd);
		return -1;
	}
	client.udp[client.nudp].port = port;
	client.udp[client.nudp++].fd = fd;
	return fd;
}

static int check_port(lua_State *L)
{
	lua_Integer port = luaL_checkinteger(L, 1);

	luaL_argcheck(L, port >= 1 && port <= 65535, 1, "a port from 1 to 65535 was expected");
	return (int)port;
}

static int client_datagram(lua_State *L)
{
	int fd = udp_socket(check_port(L));
	struct str data = vm_check_str(L, 2);

	if (fd < 0 || send(fd, data.p, data.n, 0) < 0)
		return fail(L, strerror(errno));
	lua_pushboolean(L, true);
	return 1;
}

static int client_datagrams(lua_State *L)
{
	int fd = udp_socket(check_port(L)), count = 0;
	char *space = lua_newuserdata(L, DATAGRAM_MAX);
	ssize_t n;

	lua_newtable(L);
	while (fd >= 0 && (n = recv(fd, space, DATAGRAM_MAX, MSG_DONTWAIT)) >= 0) {
		lua_pushlstring(L, space, (size_t)n);
		lua_rawseti(L, -2, ++count);
	}
	return 1;
}

/* ---- processes ------------------------------------------------------------------------------- */

/* In the child: never returns. */
static void become(char **argv, const char *log)
{
	int out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	int in = open("/dev/null", O_RDONLY);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (out < 0 || in < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
		_exit(126);
	execv("/proc/self/exe", argv);
	_exit(127);
}

static int client_spawn(lua_State *L)
{
	char *argv[ARGS_MAX + 2] = { (char[]){ "moon2m" } };
	const char *log = luaL_checkstring(L, 2);
	size_t n, slot = 0;
	pid_t pid;

	luaL_checktype(L, 1, LUA_TTABLE);
	n = lua_objlen(L, 1);
	luaL_argcheck(L, n <= ARGS_MAX, 1, "too many arguments");
	luaL_checkstack(L, ARGS_MAX, "arguments");
	for (size_t i = 0; i < n; i++) {
		lua_rawgeti(L, 1, (int)i + 1); /* stays on the stack */
		argv[i + 1] = (char *)(uintptr_t)luaL_checkstring(L, -1);
	}
	while (slot < PROCESSES_MAX && client.process[slot])
		slot++;
	if (slot == PROCESSES_MAX)
		return fail(L, "too many processes");
	pid = fork();
	if (pid < 0)
		return fail(L, strerror(errno));
	if (pid == 0)
		become(argv, log);
	client.process[slot] = pid;
	lua_pushinteger(L, pid);
	return 1;
}

/* Where a process of ours is kept; raises for any other. */
static pid_t *check_process(lua_State *L)
{
	pid_t pid = (pid_t)luaL_checkinteger(L, 1);

	for (size_t i = 0; i < PROCESSES_MAX; i++)
		if (pid > 0 && client.process[i] == pid)
			return &client.process[i];
	luaL_argerror(L, 1, "no process that was started here and runs");
	return NULL;
}

static int client_ended(lua_State *L)
{
	pid_t *p = check_process(L);
	int status;

	if (waitpid(*p, &status, WNOHANG) != *p)
		return 0;
	*p = 0;
	lua_pushinteger(L, WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
	return 1;
}

static int client_signal(lua_State *L)
{
	static const char *const names[] = { "TERM", "KILL", "HUP", NULL };
	static const int signals[] = { SIGTERM, SIGKILL, SIGHUP };
	pid_t *p = check_process(L);

	kill(*p, signals[luaL_checkoption(L, 2, NULL, names)]);
	return 0;
}

/* ---- module ---------------------------------------------------------------------------------- */

void lua_client_close(void)
{
	for (size_t i = 0; i < PROCESSES_MAX; i++) {
		if (!client.process[i])
			continue;
		kill(client.process[i], SIGKILL);
		waitpid(client.process[i], NULL, 0);
		client.process[i] = 0;
	}
	while (client.nudp)
		close(client.udp[--client.nudp].fd);
	net_timer_free(client.limit);
	net_free(client.net);
	while (client.first) {
		struct arrival *a = client.first;

		client.first = a->next;
		arrival_free(a);
	}
	buf_free(&client.head);
	buf_free(&client.body);
	buf_free(&client.reason);
	memset(&client, 0, sizeof(client));
}

static int client_close(lua_State *L)
{
	(void)L;
	lua_client_close();
	return 0;
}

int lua_client_open(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "open", client_open },
		{ "close", client_close },
		{ "spawn", client_spawn },
		{ "ended", client_ended },
		{ "signal", client_signal },
		{ "http", client_http },
		{ "dial", client_dial },
		{ "send", client_send },
		{ "turn", client_turn },
		{ "take", client_take },
		{ "datagram", client_datagram },
		{ "datagrams", client_datagrams },
		{ NULL, NULL },
	};

	lua_newtable(L);
	luaL_setfuncs(L, functions, 0);
	return 1;
}
