/*
 * lua_config.h - what the command line says goes to Lua's configuration (entry config of the boot
 * module), and what the C core needs of the answer comes back as structs.  Names, ranges and
 * defaults of the file are Lua's (lua/moon2m/config.lua); here is only which key feeds which field.
 */
#pragma once

#include "err.h"
#include "log.h"
#include "net.h"
#include "notify.h"
#include "store.h"

#define LISTEN_MAX 16
#define SET_MAX 64

struct run_options { /* of `moon2m run`; strings are argv's */
	const char *config, *data, *lua_dir, *log;
	bool strict, safe, watch, dev;
	bool supervise; /* not for Lua */
	const char *listen[LISTEN_MAX]; /* "ADDRESS:PORT[,http|,ws]", read by config.lua */
	size_t nlisten;
	const char *set[SET_MAX]; /* "KEY=VALUE", read by config.lua */
	size_t nset;
	char **apps;
	size_t napps;
};

struct run_config {
	char *data; /* folder */
	bool has_log;
	enum log_level log;
	size_t lua_memory; /* bytes; 0: no cap */
	unsigned json_members, json_depth; /* for jscan_members and jscan_depth */
	unsigned requests; /* for primitive_limit */
	double stuck; /* s, for guard_stuck */
	char *credentials; /* file; NULL: the one in the data folder, which may be missing */
	unsigned failures; /* for identity_opts, as is brake_time */
	double brake_time;
	struct net_limits limits;
	struct notify_opts notify; /* net and store are not set */
	struct store_opts store; /* path, wake and arg are not set */
	char *cse_sp;
	char *cse_id, *rvi; /* own what notify refers to */
	const char **origins;
};

/* On failure e->msg is what the user is told: "config.lua:12: listen.port: expected a number
 * ...". */
bool lua_config_load(const struct run_options *o, struct run_config *c, struct err *e) MUSTCHECK;
void lua_config_free(struct run_config *c);
