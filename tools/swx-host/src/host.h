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
	/* Who has staged changes. */
	const struct session *owner;
	/* Packets are run. Before, ports and tables can be made ready. */
	bool started;
};
