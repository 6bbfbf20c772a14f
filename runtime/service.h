/*
 * service.h - what the service manager that started this process is told, when it wants to know
 * (sd_notify(3): NOTIFY_SOCKET, WATCHDOG_USEC).  Without one every call does nothing.
 */
#pragma once

#include "net.h"

/* Once, before service_ready: the watchdog's sign of life comes from the loop of n. */
void service_open(struct net *n);
void service_ready(const char *status); /* a line; also the end of service_reloading */
void service_reloading(void);
void service_stopping(void);
void service_close(void); /* before net_free */
