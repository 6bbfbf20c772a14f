/*
 * net_serial.c - opens a terminal device for a gateway: raw, not our controlling terminal, for
 * nobody else meanwhile.  What cannot be set is an error, not a guess.
 */
#define _GNU_SOURCE /* CRTSCTS, the speeds above 38400 */
#include "net_raw_int.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static const struct {
	int baud;
	speed_t speed;
} speeds[] = {
	{ 50, B50 },           { 75, B75 },           { 110, B110 },         { 134, B134 },
	{ 150, B150 },         { 200, B200 },         { 300, B300 },         { 600, B600 },
	{ 1200, B1200 },       { 1800, B1800 },       { 2400, B2400 },       { 4800, B4800 },
	{ 9600, B9600 },       { 19200, B19200 },     { 38400, B38400 },     { 57600, B57600 },
	{ 115200, B115200 },   { 230400, B230400 },   { 460800, B460800 },   { 500000, B500000 },
	{ 576000, B576000 },   { 921600, B921600 },   { 1000000, B1000000 }, { 1152000, B1152000 },
	{ 1500000, B1500000 }, { 2000000, B2000000 }, { 2500000, B2500000 }, { 3000000, B3000000 },
	{ 3500000, B3500000 }, { 4000000, B4000000 },
};

static bool set_speed(struct termios *t, int baud, struct err *e)
{
	for (size_t i = 0; i < countof(speeds); i++) {
		if (speeds[i].baud == baud)
			return cfsetispeed(t, speeds[i].speed) == 0 &&
			       cfsetospeed(t, speeds[i].speed) == 0;
	}
	return err_set(e, "%d baud is not possible", baud);
}

static bool set_line(int fd, const struct serial_opts *s, struct err *e)
{
	static const tcflag_t bits[] = { CS5, CS6, CS7, CS8 };
	struct termios t;

	if (s->bits < 5 || s->bits > 8)
		return err_set(e, "5 to 8 bits are possible");
	if (tcgetattr(fd, &t) != 0)
		return err_set(e, "%s", errno == ENOTTY ? "not a terminal" : strerror(errno));
	cfmakeraw(&t);
	t.c_cflag &= ~(tcflag_t)(CSIZE | PARENB | PARODD | CSTOPB | CRTSCTS);
	t.c_cflag |= bits[s->bits - 5] | CLOCAL | CREAD;
	t.c_cflag |= s->parity == 'n' ? 0 : s->parity == 'o' ? PARENB | PARODD : PARENB;
	t.c_cflag |= s->stop == 2 ? CSTOPB : 0;
	t.c_cflag |= s->rtscts ? CRTSCTS : 0;
	t.c_cc[VMIN] = 1;
	t.c_cc[VTIME] = 0;
	if (!set_speed(&t, s->baud, e))
		return false;
	if (tcsetattr(fd, TCSANOW, &t) != 0)
		return err_set(e, "%s", strerror(errno));
	return ioctl(fd, TIOCEXCL) == 0 || err_set(e, "%s", strerror(errno));
}

struct net_stream *net_serial_open(struct net *n, const char *device, const struct serial_opts *s,
				   const struct raw_opts *o, struct err *e)
{
	int fd = open(device, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	struct err why = { 0 };

	if (fd < 0) {
		(void)err_set(e, "%s: %s", device, strerror(errno));
		return NULL;
	}
	if (!set_line(fd, s, &why)) {
		(void)err_set(e, "%s: %s", device, why.msg);
		close(fd);
		return NULL;
	}
	return stream_new(n, fd, true, o);
}
