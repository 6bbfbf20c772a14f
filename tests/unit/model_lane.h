/*
 * model_lane.h - part of test_notify_model.c: what a policy does with lanes.  It acts only on lanes
 * that it was told of, takes some of the oldest, and sends them on as one notice.
 */

static bool lane_told[SUBS][TARGETS], lane_busy[SUBS][TARGETS];

struct release {
	struct event *e;
	int s, t;
	int64_t id;
	unsigned run;
};

static void lane_name(char out[32], int s, int t)
{
	snprintf(out, 32, "lane:%d:C%d", s + 1, t);
}

static void on_lane(void *arg, struct str key)
{
	char text[32];
	int s, t;

	(void)arg;
	snprintf(text, sizeof(text), "%.*s", STRFMT(key));
	CHECK(sscanf(text, "lane:%d:C%d", &s, &t) == 2, "lane %s", text);
	CHECK(!lane_told[s - 1][t], "%s is told of twice", text);
	lane_told[s - 1][t] = true;
}

static void lanes_reset(void)
{
	memset(lane_told, 0, sizeof(lane_told));
	memset(lane_busy, 0, sizeof(lane_busy));
}

static void lane_released(void *arg, const struct store_done *d)
{
	struct release *r = arg;
	char name[32];

	lane_name(name, r->s, r->t);
	if (d->rc == STORE_OK) {
		lane_done(str_of(name), r->id);
		event_publish(r->e);
	} else {
		event_abandon(r->e);
	}
	if (r->run == run) {
		lane_busy[r->s][r->t] = false;
		lane_told[r->s][r->t] = lane_waiting(str_of(name)) > 0;
	}
	free(r);
}

static void lane_release(struct release *r, struct str body)
{
	struct store_tx *tx = store_tx_new(fake_store);
	struct audience *a = audience_new();
	struct event_opts o = { .frame = FRAME_PRIMITIVE };
	char name[32], sur[16];

	snprintf(sur, sizeof(sur), "s%d", r->s);
	snprintf(name, sizeof(name), "C%d", r->t);
	audience_add(a, r->s + 1, str_of(sur), STR(""), str_of(name));
	r->e = event_new(a, &o, body);
	lane_name(name, r->s, r->t);
	lane_store_done(str_of(name), r->id, tx);
	event_store(r->e, tx);
	store_commit(fake_store, tx, lane_released, r);
	audience_unref(a);
}

static void lane_was_read(void *arg, const struct lane_item *item, size_t n, const char *error)
{
	struct release *r = arg;
	struct buf b = BUF_INIT;
	char name[32];
	int v;

	lane_name(name, r->s, r->t);
	if (error || n == 0) {
		if (r->run == run)
			lane_busy[r->s][r->t] = false;
		CHECK(error || lane_waiting(str_of(name)) == 0, "%s reads as empty", name);
		free(r);
		return;
	}
	buf_str(&b, STR("{\"v\":"));
	for (size_t i = 0; i < n; i++) {
		CHECK(sscanf(item[i].body.p, "{\"v\":%d", &v) == 1, "body in %s", name);
		buf_fmt(&b, "%c%d", i ? ',' : '[', v);
	}
	buf_fmt(&b, "],\"sur\":\"%.*s\",\"to\":\"%.*s\"}", STRFMT(notify_slot_text(SLOT_SUR)),
		STRFMT(notify_slot_text(SLOT_TO)));
	r->id = item[n - 1].id;
	lane_release(r, buf_view(&b));
	buf_free(&b);
}

static void lanes_some(unsigned n)
{
	while (n--) {
		int s = AUDIENCES - 1 + AUDIENCES * (int)below(SUBS / AUDIENCES);
		int t = (int)below(TARGETS);
		struct release *r;
		char name[32];

		if (!lane_told[s][t] || lane_busy[s][t])
			continue;
		lane_busy[s][t] = true;
		r = xcalloc(1, sizeof(*r));
		*r = (struct release){ .s = s, .t = t, .run = run };
		lane_name(name, s, t);
		lane_read(str_of(name), 1 + below(BATCH), 0, lane_was_read, r);
	}
}
