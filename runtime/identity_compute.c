/*
 * identity_compute.c - scrypt on a thread of its own, in the order asked, so that no password ever
 * holds the loop up.  What waits is bounded, in all and per address: guessing in parallel does not
 * escape the brake, and one address does not keep the others out.
 */
#include "identity_brake.h"

#include <pthread.h>
#include <stdlib.h>

#include <openssl/crypto.h>

#define JOBS_MAX 32
#define JOBS_PER_ADDRESS 4
#define DUMMY_COST 14 /* of a user that is not there */

struct job {
	struct job *next;
	char *password;
	size_t n;
	unsigned char salt[SALT_BYTES], hash[HASH_BYTES];
	unsigned cost;
	bool real, match;
	char address[64];
	void (*done)(void *arg, bool match, bool stop);
	void *arg;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t more;
	pthread_t thread;
	struct job *waiting, **end; /* under the lock, as is what follows */
	struct job *finished;
	bool stop;
	bool started; /* the loop's, as is what follows */
	unsigned count;
	char addresses[JOBS_MAX][64]; /* of the jobs that are not done; "": free */
	void (*wake)(void *arg);
	void *arg;
} work = { .lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER };

void compute_open(void (*wake)(void *arg), void *arg)
{
	work.wake = wake;
	work.arg = arg;
	work.end = &work.waiting;
	work.stop = false;
}

static void judge(struct job *j)
{
	unsigned char hash[HASH_BYTES];

	j->match = identity_scrypt(j->salt, j->cost, (struct str){ j->password, j->n }, hash) &&
		   CRYPTO_memcmp(hash, j->hash, HASH_BYTES) == 0 && j->real;
	OPENSSL_cleanse(hash, sizeof(hash));
}

/* The next job; NULL: the thread ends. */
static struct job *next_job(void)
{
	struct job *j = NULL;

	pthread_mutex_lock(&work.lock);
	while (!work.stop && !work.waiting)
		pthread_cond_wait(&work.more, &work.lock);
	if (!work.stop) {
		j = work.waiting;
		work.waiting = j->next;
		if (!work.waiting)
			work.end = &work.waiting;
	}
	pthread_mutex_unlock(&work.lock);
	return j;
}

static void *run(void *arg)
{
	struct job *j;

	(void)arg;
	while ((j = next_job())) {
		judge(j);
		pthread_mutex_lock(&work.lock);
		j->next = work.finished;
		work.finished = j;
		pthread_mutex_unlock(&work.lock);
		if (work.wake)
			work.wake(work.arg);
	}
	return NULL;
}

static void end_job(struct job *j, bool stop)
{
	work.count--;
	for (size_t k = 0; k < JOBS_MAX; k++) {
		if (strcmp(work.addresses[k], j->address) == 0) {
			work.addresses[k][0] = '\0';
			break;
		}
	}
	j->done(j->arg, j->match, stop);
	OPENSSL_cleanse(j->password, j->n);
	free(j->password);
	free(j);
}

static bool has_room(const char *address)
{
	unsigned same = 0;

	for (size_t k = 0; k < JOBS_MAX; k++)
		same += strcmp(work.addresses[k], address) == 0;
	return work.count < JOBS_MAX && same < JOBS_PER_ADDRESS;
}

static bool start_thread(void)
{
	if (!work.started)
		work.started = pthread_create(&work.thread, NULL, run, NULL) == 0;
	return work.started;
}

static void enter_address(const char *address)
{
	for (size_t k = 0; k < JOBS_MAX; k++) {
		if (work.addresses[k][0])
			continue;
		memcpy(work.addresses[k], address, sizeof(work.addresses[k]));
		return;
	}
}

bool compute_start(const struct identity *i, struct str password, struct str address,
		   void (*done)(void *arg, bool match, bool stop), void *arg)
{
	char text[64] = "-";
	struct job *j;

	if (address.n && address.n < sizeof(text))
		memcpy(text, address.p, address.n);
	if (!has_room(text) || !start_thread())
		return false;
	j = xcalloc(1, sizeof(*j));
	memcpy(j->address, text, sizeof(text));
	j->password = xstrndup(password.n ? password.p : "", password.n);
	j->n = password.n;
	j->real = i != NULL;
	j->cost = i ? i->cost : DUMMY_COST;
	if (i) {
		memcpy(j->salt, i->salt, SALT_BYTES);
		memcpy(j->hash, i->hash, HASH_BYTES);
	}
	j->done = done;
	j->arg = arg;
	enter_address(text);
	work.count++;
	pthread_mutex_lock(&work.lock);
	*work.end = j;
	work.end = &j->next;
	pthread_cond_signal(&work.more);
	pthread_mutex_unlock(&work.lock);
	return true;
}

static void end_all(struct job *list, bool stop)
{
	while (list) {
		struct job *j = list;

		list = j->next;
		end_job(j, stop);
	}
}

void identity_poll(void)
{
	struct job *list;

	pthread_mutex_lock(&work.lock);
	list = work.finished;
	work.finished = NULL;
	pthread_mutex_unlock(&work.lock);
	end_all(list, false);
}

void compute_close(void)
{
	struct job *waiting;

	if (work.started) {
		pthread_mutex_lock(&work.lock);
		work.stop = true;
		pthread_cond_signal(&work.more);
		pthread_mutex_unlock(&work.lock);
		pthread_join(work.thread, NULL);
		work.started = false;
	}
	waiting = work.waiting;
	work.waiting = NULL;
	work.end = &work.waiting;
	end_all(waiting, true);
	waiting = work.finished;
	work.finished = NULL;
	end_all(waiting, true);
}
