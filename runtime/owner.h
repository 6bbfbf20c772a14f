/*
 * owner.h - files that root makes in a service's folder, with a command, are the service's too.
 */
#pragma once

#include "base.h"

/* When root runs: gives the open file, made under this name, to the owner of the folder it is in.  Else,
 * and when that fails, it stays as it is. */
void owner_as_folder(int fd, const char *file);
