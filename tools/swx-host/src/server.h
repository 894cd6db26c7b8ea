#pragma once

#include "host.h"

/* Listens on a unix socket that only this user can connect to; a socket left over from before is replaced. */
enum status server_listen(const char *path, int *listener, struct fault *fault);
/* Answers requests until a signal ends the process (SIGTERM, SIGINT) or a client asks for the end. */
void server_run(int listener, struct host *host);
/* Makes server_run return. */
void server_stop(void);
