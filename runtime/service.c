/*
 * service.c - see service.h.  A datagram to the manager's socket; what cannot be sent is logged once.
 * Guarantees: a loop that does not turn gives no sign of life, whatever other threads do.
 * Never waits.
 */
#define _GNU_SOURCE
#include "service.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"

static struct {
	int fd; /* 0: nobody wants to know */
	struct sockaddr_un to;
	socklen_t n;
	bool complained;
	double period; /* s between signs of life; 0: none are wanted */
	struct net_timer *timer;
} service;

static void tell(const char *text)
{
	if (!service.fd || sendto(service.fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT,
				  (struct sockaddr *)&service.to, service.n) >= 0)
		return;
	if (!service.complained)
		log_warn("service", "the service manager cannot be told reason=%s",
			 log_quote(str_of(strerror(errno))));
	service.complained = true;
}

static void on_timer(void *arg)
{
	(void)arg;
	tell("WATCHDOG=1");
	net_timer_start(service.timer, service.period);
}

/* A path, or with '@' a name in the abstract namespace. */
static bool read_address(const char *name)
{
	size_t n = name ? strlen(name) : 0;

	if (n < 2 || n >= sizeof(service.to.sun_path) || (*name != '/' && *name != '@'))
		return false;
	service.to.sun_family = AF_UNIX;
	memcpy(service.to.sun_path, name, n);
	if (*name == '@')
		service.to.sun_path[0] = '\0';
	service.n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	return true;
}

/* Half of what the manager allows, as its manual wants it. */
static double read_period(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	uint64_t us, whose;

	if (!usec || !str_u64(str_of(usec), &us) || us == 0)
		return 0;
	if (pid && (!str_u64(str_of(pid), &whose) || whose != (uint64_t)getpid()))
		return 0;
	return (double)us / 2e6;
}

void service_open(struct net *n)
{
	if (!read_address(getenv("NOTIFY_SOCKET")))
		return;
	service.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (service.fd < 0) {
		service.fd = 0;
		return;
	}
	service.period = read_period();
	unsetenv("NOTIFY_SOCKET"); /* it is not the business of processes that we start */
	if (service.period > 0)
		service.timer = net_timer_new(n, on_timer, NULL);
}

void service_ready(const char *status)
{
	char text[300];

	snprintf(text, sizeof(text), "READY=1\nSTATUS=%s", status);
	tell(text);
	if (service.timer)
		net_timer_start(service.timer, 0);
}

void service_reloading(void)
{
	char text[64];

	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)clock_mono());
	tell(text);
}

void service_stopping(void)
{
	tell("STOPPING=1");
}

void service_close(void)
{
	net_timer_free(service.timer);
	service.timer = NULL;
	if (service.fd)
		close(service.fd);
	service.fd = 0;
}
