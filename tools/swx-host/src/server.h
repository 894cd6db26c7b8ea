#pragma once

#include "host.h"

/* Listens on a unix socket that only this user can connect to; a socket left over from before is replaced. */
enum status server_listen(const char *path, int *listener, struct fault *fault);
/*
 * Answers requests until a signal ends the process (SIGTERM, SIGINT) or a client asks for the end. Then the socket goes
 * first of all: whoever sees a connection end may start another process there.
 */
void server_run(int listener, const char *path, struct host *host);
/* Makes server_run return. */
void server_stop(void);
