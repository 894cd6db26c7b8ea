#pragma once

/*
 * The thread that runs packets. Others may pause it: then no packet is on its way, and tables, ports and the pipeline
 * itself are theirs until they resume it.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "fault.h"
#include "port.h"

struct worker_options {
	/* Never sleep: lowest latency, and a whole CPU. */
	bool busy;
	/* CPU to stay on, or -1. */
	int cpu;
	/* Priority as of nice(2). */
	int nice;
	/* Longest sleep when there are devices that can only be polled, in microseconds. */
	uint32_t sleep_us;
};

struct worker {
	struct rte_swx_pipeline *swx;
	struct ports *ports;
	struct worker_options options;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	atomic_uint wanted;
	bool paused;
	atomic_bool stopped;
	int wake;
	/* How often it has gone round; only it writes to this. */
	atomic_ulong turns;
	/* It does not touch tables: it sleeps, or is paused. */
	atomic_bool idle;
	/* How often it went to sleep. */
	atomic_ullong sleeps;
};

enum status worker_start(struct worker *worker, struct rte_swx_pipeline *swx, struct ports *ports,
			 const struct worker_options *options, struct fault *fault);
void worker_pause(struct worker *worker);
void worker_resume(struct worker *worker);
/* Waits, without pausing it, for the end of what it is writing to tables now. False if that takes too long. */
bool worker_settle(struct worker *worker);
/* While it is paused: runs the pipeline until no packet is on its way. */
void worker_drain(struct worker *worker);
void worker_stop(struct worker *worker);
