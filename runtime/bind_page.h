/*
 * bind_page.h - pages that scripts declare: a text and its media type, answered to GET and HEAD of
 * one path without any oneM2M header.  Static: the bytes are those that were declared; bounded in
 * size and number.  Every answer forbids sniffing, framing and everything a page could load from
 * elsewhere; inline script and style, this host and its WebSockets are allowed.
 */
#pragma once

#include "net.h"

#define PAGE_MAX ((size_t)1 << 20) /* bytes of one page */
#define PAGES_MAX 64

/*
 * Declares (or replaces) the page at `path`, copied.  False: the path is not one of "/" or "/x/y"
 * of lower-case first letter, it is one of the server's own, the type is no media type, or a bound
 * is exceeded.
 */
bool bind_page_set(struct str path, struct str type, struct str body, struct err *e) MUSTCHECK;
void bind_page_forget(struct str path);
void bind_page_clear(void);

bool bind_page_answer(struct http_req *r); /* false: there is no such page */
