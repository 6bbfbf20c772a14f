/*
 * model_peer.h - part of test_notify_model.c: what the clients receive, judge and answer.
 */

static void take_gap(struct peer *p, const struct frame *f)
{
	const char *at = strstr(f->p, "\"sur\":[");
	const char *rqi = field(f, "rqi");
	unsigned long sum = 0, total;
	int s, t = (int)(p - peer), n;

	CHECK(mode != MODE_PLAIN, "a gap where nothing can be dropped: %s", f->p);
	if (strcmp(p->gap, rqi) == 0)
		return;
	snprintf(p->gap, sizeof(p->gap), "%s", rqi);
	CHECK(sscanf(strstr(f->p, "\"dropped\":"), "\"dropped\":%lu", &total) == 1, "gap");
	for (at += 7; sscanf(at, "{\"sur\":\"s%d\",\"dropped\":%d}", &s, &n) == 2; at++) {
		stream[s][t].told += (unsigned)n;
		sum += (unsigned)n;
		at = strchr(at, '}') + 1;
		if (*at != ',')
			break;
	}
	CHECK(sum == total, "gap of %lu names %lu", total, sum);
}

static void repeated(struct peer *p, struct stream *s, size_t i, const char *rqi)
{
	struct got *g = &s->got[i];

	CHECK(strcmp(g->rqi, rqi) == 0, "repeat as %s, was %s", rqi, g->rqi);
	if (!g->acked)
		return;
	if (p->again) /* both were in the socket already */
		return;
	CHECK(g->acked < run, "repeat of answered %s", rqi);
	p->repeats++;
	CHECK(late || p->repeats <= 4 * WINDOW + p->unsafe,
	      "%u repeats of answered ones, %u unsafe", p->repeats, p->unsafe);
}

static size_t find(struct stream *s, int v)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->v[i] == v)
			return i;
	}
	return s->n;
}

/* To be answered; ids never go back on one connection. */
static void note(struct peer *p, const struct waiting *w, const char *rqi)
{
	unsigned long long id;

	CHECK(sscanf(rqi, "n%llx.", &id) == 1 && (id >= p->last_id || p->again),
	      "order: %s after %llx", rqi, p->last_id);
	p->last_id = id;
	if (p->nw == countof(p->w))
		return;
	p->w[p->nw] = *w;
	snprintf(p->w[p->nw++].rqi, sizeof(p->w[0].rqi), "%s", rqi);
}

/* One event of a frame that was received by a peer that answers. */
static void take_one(struct peer *p, struct stream *s, size_t i, const char *rqi, int sub)
{
	int t = (int)(p - peer);

	if (s->got[i].received && *rqi)
		repeated(p, s, i, rqi);
	if (s->got[i].received)
		return;
	CHECK(i == s->next || mode != MODE_PLAIN || newest(sub % AUDIENCES) ||
		  parks(sub % AUDIENCES),
	      "missing before v %d of s%d C%d: %zu of %zu", s->v[i], sub, t, s->next, i);
	/* A crash within FLUSH_TIME of a drop brings back what was dropped, behind newer ones. */
	CHECK(i >= s->next || (crashed && mode == MODE_SMALL) || parks(sub % AUDIENCES),
	      "order: v %d of s%d C%d comes after a newer one", s->v[i], sub, t);
	if (i >= s->next)
		s->next = i + 1;
	s->got[i].received = true;
	snprintf(s->got[i].rqi, sizeof(s->got[i].rqi), "%s", rqi);
}

/* The events a frame tells of: one number, or several in brackets. */
static void read_events(const struct frame *f, struct waiting *w)
{
	const char *at = strstr(f->p, "\"v\":") + 4; /* at the colon */

	w->n = 0;
	do {
		char *end;
		int v = (int)strtol(at + strspn(at, ":,["), &end, 10);

		CHECK(w->n < BATCH, "too many events: %s", f->p);
		w->i[w->n] = find(w->s, v);
		CHECK(w->i[w->n++] < w->s->n, "never published: %s", f->p);
		at = end;
	} while (*at == ',' && at[1] != '"');
}

static void take(struct peer *p, const struct frame *f, bool alive)
{
	const char *rqi = strstr(f->p, "\"rqi\"") ? field(f, "rqi") : "", *sur;
	int sub, t = (int)(p - peer);
	struct waiting w;

	if (strstr(f->p, "moon2m:gap")) {
		take_gap(p, f); /* unread: comes again as the same, or was confirmed by raw ones */
		return;
	}
	sur = field(f, "sur");
	CHECK(sscanf(sur, "s%d", &sub) == 1 && strstr(f->p, "\"v\":"), "frame %s", f->p);
	CHECK(atoi(field(f, "to") + 1) == t, "%d got %s", t, f->p);
	w.s = &stream[sub][t];
	read_events(f, &w);
	if (*rqi && !alive)
		return; /* a primitive that was never read comes again */
	if (*rqi)
		note(p, &w, rqi);
	for (size_t i = 0; i < w.n; i++)
		take_one(p, w.s, w.i[i], rqi, sub);
}

static void read_some(struct peer *p, unsigned n)
{
	const struct frame *f;

	while (p->c && n-- && (f = fake_read(p->c)))
		take(p, f, true);
}

static void answer_one(struct peer *p, bool lost)
{
	unsigned k;
	struct waiting w;

	if (!p->c || p->nw == 0)
		return;
	k = below(4) ? 0 : below((unsigned)p->nw);
	w = p->w[k];
	memmove(&p->w[k], &p->w[k + 1], (--p->nw - k) * sizeof(w));
	if (lost)
		return;
	if (notify_answer(p->c->session,
			  &(struct notify_response){ .rqi = str_of(w.rqi), .rsc = 2000 })) {
		for (size_t i = 0; i < w.n; i++)
			w.s->got[w.i[i]].acked = run;
		p->unsafe++;
	}
}

/* What is in the socket and not read is lost; of raw frames nobody knows. */
static void hang_up(struct peer *p)
{
	const struct frame *f;

	if (!p->c)
		return;
	read_some(p, below(8));
	while ((f = fake_read(p->c)))
		take(p, f, false);
	fake_hangup(p->c);
	p->c = NULL;
	p->nw = 0;
}

static void join(struct peer *p)
{
	struct conn *old = p->c;
	const struct frame *f;
	char name[16];

	snprintf(name, sizeof(name), "C%d", (int)(p - peer));
	if (old) {
		read_some(p, below(8));
		while ((f = fake_read(old)))
			take(p, f, false);
	}
	fake_fill_room = below(3) ? 1000 : 1 + below(4);
	p->c = fake_accept(SESSION_JSON);
	p->nw = 0;
	p->last_id = 0;
	p->again = false;
	session_bind(p->c->session, str_of(name));
	if (old) {
		CHECK(old->code == 1000, "taken over: %d", old->code);
		fake_hangup(old);
	}
}
