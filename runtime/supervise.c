/*
 * The supervisor: waits for signals only, synchronously, so nothing runs in handlers.  Restarts
 * after a signal or exit code 70, later each time (0.2 s to 30 s); a child that ran for a minute
 * starts the count anew.  Exit codes of 0 to 2 are answers, not accidents: they are passed on.
 * Whom the next child leaves off is not decided here (blame.c).
 */
#define _GNU_SOURCE
#include "supervise.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "guard.h"
#include "log.h"

#define CRASHES_MAX 5
#define CALM 60000000 /* us: crashes further apart than this are counted anew */
#define DELAY_MIN 200000 /* us */
#define DELAY_MAX 30000000

static struct {
	sigset_t signals, before;
	pid_t child; /* 0: none */
	bool told; /* to end: what happens to the child is no accident then */
	unsigned crashes; /* in a row */
	int64_t started, delay;
} sup;

static bool start_child(void)
{
	pid_t parent = getpid();

	sup.started = clock_mono();
	sup.child = fork();
	if (sup.child < 0)
		log_error("supervise", "cannot start a process reason=%s",
			  log_quote(str_of(strerror(errno))));
	if (sup.child != 0)
		return false;
	sigprocmask(SIG_SETMASK, &sup.before, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(1); /* it went in between */
	return true;
}

/* A terminal sends INT to both processes itself. */
static void pass_on(const siginfo_t *s)
{
	if (s->si_signo != SIGHUP)
		sup.told = true;
	if (sup.child > 0 && !(s->si_signo == SIGINT && s->si_code == SI_KERNEL))
		kill(sup.child, s->si_signo);
}

/* The next signal, or none within us. */
static bool next_signal(siginfo_t *s, int64_t us)
{
	struct timespec t = { us / 1000000, us % 1000000 * 1000 };
	int sig;

	do
		sig = us < 0 ? sigwaitinfo(&sup.signals, s) : sigtimedwait(&sup.signals, s, &t);
	while (sig < 0 && errno == EINTR);
	return sig > 0;
}

/* Until the child has ended; its status. */
static int wait_child(void)
{
	siginfo_t s;
	int status;

	for (;;) {
		if (waitpid(sup.child, &status, WNOHANG) == sup.child)
			break;
		if (next_signal(&s, -1) && s.si_signo != SIGCHLD)
			pass_on(&s);
	}
	sup.child = 0;
	return status;
}

static bool was_accident(int status)
{
	return !sup.told && (WIFSIGNALED(status) ||
			     (WIFEXITED(status) && WEXITSTATUS(status) == GUARD_EXIT_STUCK));
}

static int code_of(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : sup.told ? 1 : GUARD_EXIT_STUCK;
}

/* False: too many. */
static bool count_crash(int status)
{
	int64_t now = clock_mono();

	if (now - sup.started > CALM) {
		sup.crashes = 0;
		sup.delay = DELAY_MIN;
	}
	sup.crashes++;
	if (WIFSIGNALED(status))
		log_error("supervise", "the server crashed signal=%d crashes=%u", WTERMSIG(status),
			  sup.crashes);
	else
		log_error("supervise", "a script was stuck, the server exited crashes=%u",
			  sup.crashes);
	return sup.crashes < CRASHES_MAX;
}

/* False: told to end meanwhile. */
static bool pause_before_restart(void)
{
	int64_t until = clock_mono() + sup.delay, left;
	siginfo_t s;

	log_info("supervise", "restarting in=%.1fs", (double)sup.delay / 1e6);
	sup.delay = sup.delay * 2 < DELAY_MAX ? sup.delay * 2 : DELAY_MAX;
	while (!sup.told && (left = until - clock_mono()) > 0)
		if (next_signal(&s, left) && s.si_signo != SIGCHLD)
			pass_on(&s);
	return !sup.told;
}

int supervise(void)
{
	int status;

	sigemptyset(&sup.signals);
	sigaddset(&sup.signals, SIGTERM);
	sigaddset(&sup.signals, SIGINT);
	sigaddset(&sup.signals, SIGHUP);
	sigaddset(&sup.signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &sup.signals, &sup.before);
	sup.delay = DELAY_MIN;
	for (;;) {
		if (start_child())
			return -1;
		if (sup.child < 0)
			return 1;
		status = wait_child();
		if (!was_accident(status))
			return code_of(status);
		if (!count_crash(status)) {
			log_error("supervise", "crashed %u times in short order, giving up",
				  sup.crashes);
			return GUARD_EXIT_STUCK;
		}
		if (!pause_before_restart())
			return 0;
	}
}
