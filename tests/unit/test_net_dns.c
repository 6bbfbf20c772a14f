/*
 * test_net_dns.c - names to addresses on threads of their own: answers come from the loop, in any
 * order, also what failed, what waits for a slow name, and when everything ends under way.  The
 * resolver of the system is played by this file.
 */
#include "net_lws.h"

#include "log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>

#include <cmocka.h>

/* ---- the system's resolver ------------------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned stuck; /* look-ups of "stuck" under way; under lock */
static bool released; /* they may go on; under lock */

static void wait_for_release(void)
{
	pthread_mutex_lock(&lock);
	stuck++;
	pthread_cond_broadcast(&changed);
	while (!released)
		pthread_cond_wait(&changed, &lock);
	stuck--;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

static void until_stuck(unsigned n)
{
	pthread_mutex_lock(&lock);
	while (stuck != n)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
}

static void release(bool yes)
{
	pthread_mutex_lock(&lock);
	released = yes;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

static struct addrinfo *new_address(const char *port, const char *text, struct addrinfo *next)
{
	struct addrinfo *ai = calloc(1, sizeof(*ai));
	struct sockaddr_in *sa = calloc(1, sizeof(*sa));

	sa->sin_family = AF_INET;
	sa->sin_port = htons((uint16_t)atoi(port));
	inet_pton(AF_INET, text, &sa->sin_addr);
	ai->ai_addr = (struct sockaddr *)sa;
	ai->ai_addrlen = sizeof(*sa);
	ai->ai_next = next;
	return ai;
}

int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
		struct addrinfo **out)
{
	struct in_addr a;

	*out = NULL;
	if (inet_pton(AF_INET, host, &a) == 1) {
		*out = new_address(port, host, NULL);
		return 0;
	}
	if (hints->ai_flags & AI_NUMERICHOST)
		return EAI_NONAME;
	if (strcmp(host, "stuck") == 0)
		wait_for_release();
	if (strcmp(host, "nobody") == 0)
		return EAI_NONAME;
	for (int i = strcmp(host, "many") == 0 ? 6 : 1; i > 0; i--)
		*out = new_address(port, "127.0.0.9", *out);
	return 0;
}

void freeaddrinfo(struct addrinfo *ai)
{
	while (ai) {
		struct addrinfo *next = ai->ai_next;

		free(ai->ai_addr);
		free(ai);
		ai = next;
	}
}

/* ---- the questions --------------------------------------------------------------------------- */

static const struct net_limits LIMITS = { .connections = 10 };
static struct net *net;
static struct net_timer *timer;
static unsigned answers, failures, left;
static char last[200]; /* the newest answer */

static void late(void *arg)
{
	(void)arg;
	net_stop(net, 1);
}

static void on_answer(void *arg, const struct net_addrs *found)
{
	const struct sockaddr_in *sa = (const struct sockaddr_in *)&found->a[0].sa;
	char text[INET_ADDRSTRLEN] = "";

	answers++;
	failures += !found->n;
	if (found->n)
		inet_ntop(AF_INET, &sa->sin_addr, text, sizeof(text));
	snprintf(last, sizeof(last), "%s%s%s:%d %u", (char *)arg, found->n ? " " : ": ",
		 found->n ? text : found->error, found->n ? ntohs(sa->sin_port) : 0, found->n);
	if (--left == 0)
		net_stop(net, 0);
}

static struct dns_query *ask(const char *host)
{
	left++;
	return net_resolve(net, host, 80, on_answer, (void *)(uintptr_t)host);
}

static void all_come(void)
{
	net_timer_start(timer, 20);
	assert_int_equal(net_run(net), 0);
	net_timer_stop(timer);
	assert_int_equal(left, 0);
}

static int setup(void **state)
{
	struct err e;

	(void)state;
	log_to(open("/dev/null", O_WRONLY));
	release(false);
	answers = failures = left = 0;
	net = net_new(&LIMITS, &e);
	timer = net ? net_timer_new(net, late, NULL) : NULL;
	return net ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	net_timer_free(timer);
	net_free(net);
	release(true);
	until_stuck(0);
	return 0;
}

static void test_answers(void **state)
{
	(void)state;
	ask("127.0.0.1");
	assert_int_equal(answers, 0); /* never before net_resolve returns */
	all_come();
	assert_string_equal(last, "127.0.0.1 127.0.0.1:80 1");
	ask("good");
	all_come();
	assert_string_equal(last, "good 127.0.0.9:80 1");
	ask("many");
	all_come();
	assert_string_equal(last, "many 127.0.0.9:80 4"); /* NET_ADDRS_MAX */
	ask("nobody");
	all_come();
	assert_non_null(strstr(last, "nobody: nobody: Name or service not known"));
	assert_int_equal(failures, 1);
}

static void test_many_at_once(void **state)
{
	(void)state;
	for (int i = 0; i < 200; i++)
		ask(i % 3 == 0 ? "good" : i % 3 == 1 ? "nobody" : "127.0.0.1");
	all_come();
	assert_int_equal(answers, 200);
	assert_int_equal(failures, 67);
}

/* A name that takes long does not keep others from being asked. */
static void test_stuck(void **state)
{
	(void)state;
	ask("stuck");
	until_stuck(1);
	left--;
	for (int i = 0; i < 20; i++)
		ask("good");
	all_come();
	assert_int_equal(answers, 20);
	left++;
	release(true);
	all_come();
	assert_string_equal(last, "stuck 127.0.0.9:80 1");
}

static void test_cancel(void **state)
{
	(void)state;
	net_resolve_cancel(ask("good"));
	net_resolve_cancel(ask("127.0.0.1"));
	left -= 2;
	ask("good");
	all_come();
	assert_int_equal(answers, 1);
}

/* Both threads are stuck: 1,024 may wait, the next is told at once. */
static void test_full(void **state)
{
	(void)state;
	for (int i = 0; i < 1024; i++)
		ask("stuck");
	until_stuck(2);
	left = 0;
	ask("good");
	all_come();
	assert_non_null(strstr(last, "good: good: too many lookups waiting"));
	left = 1024;
	release(true);
	all_come();
	assert_int_equal(answers, 1025);
}

/* The end while names are looked up, wait, and have been answered: nobody is told any more. */
static void test_end(void **state)
{
	(void)state;
	ask("stuck");
	ask("stuck");
	until_stuck(2);
	ask("good");
	ask("127.0.0.1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stuck, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_end, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
