/*
 * ws_client.h - for test_net_ws.c: a WebSocket client byte by byte, so that frames can be wrong.
 */
#pragma once

#include "net_app.h"

#define HELLO                                                                                      \
	"Host: t\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"    \
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define ACCEPT "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"

static void send_frame(int fd, int first, const char *p, size_t n, bool masked)
{
	unsigned char head[14] = { (unsigned char)first }, mask[4] = { 1, 2, 3, 4 };
	size_t at = 2;
	char *body = malloc(n + 1);

	if (n < 126) {
		head[1] = (unsigned char)n;
	} else if (n < 65536) {
		head[1] = 126;
		head[2] = (unsigned char)(n >> 8);
		head[3] = (unsigned char)n;
		at = 4;
	} else {
		head[1] = 127;
		memset(head + 2, 0, 4);
		for (int i = 0; i < 4; i++)
			head[6 + i] = (unsigned char)(n >> (24 - 8 * i));
		at = 10;
	}
	memcpy(body, p, n);
	if (masked) {
		head[1] |= 0x80;
		memcpy(head + at, mask, 4);
		at += 4;
		for (size_t i = 0; i < n; i++)
			body[i] ^= (char)mask[i & 3];
	}
	send(fd, head, at, MSG_NOSIGNAL);
	send(fd, body, n, MSG_NOSIGNAL);
	free(body);
}

static inline void send_text(int fd, const char *z)
{
	send_frame(fd, 0x81, z, strlen(z), true);
}

static bool read_exactly(int fd, void *p, size_t n)
{
	size_t at = 0;

	while (at < n) {
		ssize_t got = recv(fd, (char *)p + at, n - at, 0);

		if (got <= 0)
			return false;
		at += (size_t)got;
	}
	return true;
}

static char frame[400000];
static size_t frame_len;

/* The next frame's first byte, its payload in frame; -1 at the end. */
static int read_frame(int fd)
{
	unsigned char head[10];
	size_t extra;

	if (!read_exactly(fd, head, 2))
		return -1;
	assert_false(head[1] & 0x80);
	frame_len = head[1];
	extra = frame_len == 126 ? 2 : frame_len == 127 ? 8 : 0;
	if (extra) {
		assert_true(read_exactly(fd, head + 2, extra));
		frame_len = 0;
		for (size_t i = 0; i < extra; i++)
			frame_len = frame_len << 8 | head[2 + i];
	}
	assert_true(frame_len < sizeof(frame));
	assert_true(read_exactly(fd, frame, frame_len));
	frame[frame_len] = 0;
	return head[0];
}

static inline void expect_text(int fd, const char *z)
{
	assert_int_equal(read_frame(fd), 0x81);
	assert_string_equal(frame, z);
}

/* The peer's close frame with this code, then its end. */
static inline void expect_close(int fd, int code)
{
	assert_int_equal(read_frame(fd), 0x88);
	assert_int_equal((unsigned char)frame[0] << 8 | (unsigned char)frame[1], code);
	send_frame(fd, 0x88, frame, 2, true);
	assert_int_equal(read_frame(fd), -1);
	close(fd);
}

static int hello(int to, const char *path, const char *lines)
{
	char text[1000], *answer;
	int fd = dial(to);

	snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\n" HELLO "%s\r\n", path, lines);
	say(fd, text);
	answer = hear_until(fd, "\r\n\r\n");
	if (!strstr(answer, "HTTP/1.1 101 ") || !strstr(answer, ACCEPT))
		fail_msg("%s", answer);
	return fd;
}
