#pragma once

/* The command line. */

#include <stdbool.h>
#include <stdint.h>

#include "fault.h"
#include "worker.h"

struct options {
	const char *spec;
	const char *socket;
	/* A library that was compiled from the program; or where to put it, and then end. */
	const char *library;
	const char *compile;
	/* Where libraries are kept that are compiled when they are needed. */
	const char *cache;
	/* Where the headers of DPDK's source package are. */
	const char *headers;
	/* Slots for ports, a power of two. */
	uint32_t ports;
	/* Packet buffers, and the largest frame in bytes. */
	uint32_t buffers;
	uint32_t frame;
	/* Memory in MB. */
	uint32_t memory;
	/* Use huge pages. */
	bool huge;
	/* Look for PCI devices. */
	bool pci;
	/* End with the process that started this one. */
	bool die_with_parent;
	const char *log_level;
	struct worker_options worker;
	/* More arguments for DPDK. */
	int n_extra;
	char **extra;
};

/* BAD_REQUEST if they make no sense; `help` is set if they ask for help. */
enum status options_parse(struct options *options, int argc, char **argv, bool *help, struct fault *fault);
void options_help(void);
/* Starts DPDK as the options say. */
enum status options_start_eal(const struct options *options, const char *program, struct fault *fault);
