#define _GNU_SOURCE
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_bitops.h>
#include <rte_common.h>
#include <rte_eal.h>
#include <rte_errno.h>

#define MAX_ARGUMENTS 64
#define TEXT_SIZE 512

enum choice {
	OPTION_SPEC = 1,
	OPTION_SOCKET,
	OPTION_LIBRARY,
	OPTION_COMPILE,
	OPTION_HEADERS,
	OPTION_CACHE,
	OPTION_PORTS,
	OPTION_BUFFERS,
	OPTION_FRAME,
	OPTION_MEMORY,
	OPTION_HUGE,
	OPTION_PCI,
	OPTION_BUSY,
	OPTION_CPU,
	OPTION_NICE,
	OPTION_SLEEP,
	OPTION_PARENT,
	OPTION_LOG,
	OPTION_HELP,
};

static const struct option long_options[] = {
	{"spec", required_argument, NULL, OPTION_SPEC},
	{"socket", required_argument, NULL, OPTION_SOCKET},
	{"library", required_argument, NULL, OPTION_LIBRARY},
	{"compile", required_argument, NULL, OPTION_COMPILE},
	{"headers", required_argument, NULL, OPTION_HEADERS},
	{"cache", required_argument, NULL, OPTION_CACHE},
	{"ports", required_argument, NULL, OPTION_PORTS},
	{"buffers", required_argument, NULL, OPTION_BUFFERS},
	{"frame", required_argument, NULL, OPTION_FRAME},
	{"memory", required_argument, NULL, OPTION_MEMORY},
	{"huge", no_argument, NULL, OPTION_HUGE},
	{"pci", no_argument, NULL, OPTION_PCI},
	{"busy", no_argument, NULL, OPTION_BUSY},
	{"cpu", required_argument, NULL, OPTION_CPU},
	{"nice", required_argument, NULL, OPTION_NICE},
	{"sleep-us", required_argument, NULL, OPTION_SLEEP},
	{"die-with-parent", no_argument, NULL, OPTION_PARENT},
	{"log-level", required_argument, NULL, OPTION_LOG},
	{"help", no_argument, NULL, OPTION_HELP},
	{NULL, 0, NULL, 0},
};

void
options_help(void)
{
	puts("usage: swx-host --spec FILE --socket PATH [options] [-- arguments for DPDK]\n"
	     "\n"
	     "Runs an SWX pipeline on DPDK; tables and ports are controlled through the socket.\n"
	     "\n"
	     "  --spec FILE         the program, as p4c-dpdk writes it\n"
	     "  --socket PATH       unix socket to listen on\n"
	     "  --library FILE      compiled code to run instead of the program's text\n"
	     "  --compile FILE      compile the program into FILE and exit\n"
	     "  --cache DIR         run compiled code from DIR, compile what is not there; if that fails, interpret\n"
	     "  --headers DIR       DPDK's headers, for both (for --cache by default: headers, beside swx-host)\n"
	     "  --ports COUNT       slots for ports, rounded up to a power of two (64)\n"
	     "  --buffers COUNT     packet buffers (8191)\n"
	     "  --frame BYTES       largest frame (2048)\n"
	     "  --memory MB         memory for tables and buffers (1024)\n"
	     "  --huge              use huge pages, of which there must be enough\n"
	     "  --pci               look for PCI devices\n"
	     "  --busy              never sleep: lowest latency, at the cost of a whole CPU\n"
	     "  --cpu NUMBER        CPU of the packet thread\n"
	     "  --nice NUMBER       priority of the packet thread, -20 to 19 (0)\n"
	     "  --sleep-us NUMBER   longest sleep of the packet thread with DPDK devices (50)\n"
	     "  --die-with-parent   exit with the process that started this one\n"
	     "  --log-level LEVEL   DPDK's log level: error, warning, notice, info, debug (warning)\n"
	     "  --help\n");
}

static enum status
number(const char *name, const char *text, long low, long high, long *value, struct fault *fault)
{
	char *end;

	errno = 0;
	*value = strtol(text, &end, 10);
	if (errno || *end || end == text || *value < low || *value > high)
		return fault_set(fault, STATUS_BAD_REQUEST, "--%s: '%s' is not in %ld..%ld", name, text, low, high);
	return STATUS_OK;
}

static enum status
parse_number(enum choice option, const char *name, struct options *options, struct fault *fault)
{
	static const long ranges[][2] = {
		[OPTION_PORTS] = {1, 4096},	 [OPTION_BUFFERS] = {512, 1 << 22}, [OPTION_FRAME] = {64, 65407},
		[OPTION_MEMORY] = {64, 1 << 20}, [OPTION_CPU] = {0, 1023},	    [OPTION_NICE] = {-20, 19},
		[OPTION_SLEEP] = {1, 100000},
	};
	long value;
	enum status status = number(name, optarg, ranges[option][0], ranges[option][1], &value, fault);

	if (status != STATUS_OK)
		return status;
	switch (option) {
	case OPTION_PORTS:
		options->ports = rte_align32pow2((uint32_t)value);
		break;
	case OPTION_BUFFERS:
		options->buffers = (uint32_t)value;
		break;
	case OPTION_FRAME:
		options->frame = (uint32_t)value;
		break;
	case OPTION_MEMORY:
		options->memory = (uint32_t)value;
		break;
	case OPTION_CPU:
		options->worker.cpu = (int)value;
		break;
	case OPTION_NICE:
		options->worker.nice = (int)value;
		break;
	default:
		options->worker.sleep_us = (uint32_t)value;
	}
	return STATUS_OK;
}

enum status
options_parse(struct options *options, int argc, char **argv, bool *help, struct fault *fault)
{
	enum status status = STATUS_OK;
	int index = 0, option;

	*options = (struct options){
		.ports = 64,
		.buffers = 8191,
		.frame = 2048,
		.memory = 1024,
		.log_level = "warning",
		.worker = {.cpu = -1, .sleep_us = 50},
	};
	*help = false;
	while (status == STATUS_OK && (option = getopt_long(argc, argv, "", long_options, &index)) != -1) {
		switch (option) {
		case OPTION_SPEC:
			options->spec = optarg;
			break;
		case OPTION_SOCKET:
			options->socket = optarg;
			break;
		case OPTION_LIBRARY:
			options->library = optarg;
			break;
		case OPTION_COMPILE:
			options->compile = optarg;
			break;
		case OPTION_HEADERS:
			options->headers = optarg;
			break;
		case OPTION_CACHE:
			options->cache = optarg;
			break;
		case OPTION_HUGE:
			options->huge = true;
			break;
		case OPTION_PCI:
			options->pci = true;
			break;
		case OPTION_BUSY:
			options->worker.busy = true;
			break;
		case OPTION_PARENT:
			options->die_with_parent = true;
			break;
		case OPTION_LOG:
			options->log_level = optarg;
			break;
		case OPTION_HELP:
			*help = true;
			return STATUS_OK;
		case '?':
			return fault_set(fault, STATUS_BAD_REQUEST, "see swx-host --help");
		default:
			status = parse_number((enum choice)option, long_options[index].name, options, fault);
		}
	}
	options->extra = &argv[optind];
	options->n_extra = argc - optind;
	if (status == STATUS_OK && (!options->spec || !(options->compile ? options->headers : options->socket)))
		status = fault_set(fault, STATUS_BAD_REQUEST,
				   "--spec and --socket (or --compile and --headers) are required; see swx-host --help");
	if (status == STATUS_OK && options->n_extra > MAX_ARGUMENTS / 2)
		status = fault_set(fault, STATUS_BAD_REQUEST, "too many arguments for DPDK");
	return status;
}

/* DPDK stays on the CPUs that this process was given, instead of taking one for itself. */
static void
cpu_list(char *text, size_t size)
{
	cpu_set_t set;
	size_t length = (size_t)snprintf(text, size, "0@(");

	if (sched_getaffinity(0, sizeof(set), &set))
		CPU_SET(0, &set);
	for (int cpu = 0, first = 1; cpu < CPU_SETSIZE && length + 8 < size; cpu++)
		if (CPU_ISSET(cpu, &set)) {
			length += (size_t)snprintf(&text[length], size - length, "%s%d", first ? "" : ",", cpu);
			first = 0;
		}
	snprintf(&text[length], size - length, ")");
}

enum status
options_start_eal(const struct options *options, const char *program, struct fault *fault)
{
	static char cpus[TEXT_SIZE], memory[32], level[64];
	char *arguments[MAX_ARGUMENTS];
	int count = 0;

	cpu_list(cpus, sizeof(cpus));
	snprintf(memory, sizeof(memory), "%u", options->memory);
	snprintf(level, sizeof(level), "--log-level=*:%s", options->log_level);
	arguments[count++] = (char *)(uintptr_t)program;
	arguments[count++] = (char *)(uintptr_t)"--lcores";
	arguments[count++] = cpus;
	arguments[count++] = (char *)(uintptr_t)"-m";
	arguments[count++] = memory;
	arguments[count++] = (char *)(uintptr_t)"--no-telemetry";
	arguments[count++] = level;
	arguments[count++] = (char *)(uintptr_t)"--file-prefix=swx-host";
	/* Either way nothing is left behind in the file system. */
	arguments[count++] = (char *)(uintptr_t)(options->huge ? "--in-memory" : "--no-shconf");
	if (!options->huge)
		arguments[count++] = (char *)(uintptr_t)"--no-huge";
	if (!options->pci)
		arguments[count++] = (char *)(uintptr_t)"--no-pci";
	for (int i = 0; i < options->n_extra; i++)
		arguments[count++] = options->extra[i];
	arguments[count] = NULL;
	if (rte_eal_init(count, arguments) < 0)
		return fault_set(fault, STATUS_FAILED, "DPDK does not start: %s%s", rte_strerror(rte_errno),
				 options->huge ? "; are there huge pages for --memory (sysctl vm.nr_hugepages)?" : "");
	return STATUS_OK;
}
