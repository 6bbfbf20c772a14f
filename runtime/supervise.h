/*
 * supervise.h - a parent that does nothing but restart the server when it crashed or was stuck.
 */
#pragma once

#include "base.h"

/* Forks.  Returns -1 in the child, which is to be the server; in the parent it returns when no
 * child is left to start: with the exit code of one that ended on its own or was told to, or 70
 * when they crash too often (5 times within a minute).  TERM, INT and HUP are passed on.  Called
 * before anything is opened. */
int supervise(void);
