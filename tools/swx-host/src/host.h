#pragma once

/* Everything that the control protocol speaks about. */

#include "notes.h"
#include "options.h"
#include "port.h"
#include "program.h"
#include "transaction.h"
#include "worker.h"

struct session;

struct host {
	struct ports ports;
	struct program program;
	struct worker worker;
	struct transaction transaction;
	struct notes notes;
	/* The program runs as compiled code; or why not, if that was asked for. */
	bool is_compiled;
	struct fault interpreted;
	/* Who has staged changes. */
	const struct session *owner;
	/* Packets are run. Before, ports and tables can be made ready. */
	bool started;
};
