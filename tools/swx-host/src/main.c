/* swx-host: runs a SWX pipeline of DPDK, controlled through a unix socket. */

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>

#include "code-cache.h"
#include "compile.h"
#include "host.h"
#include "options.h"
#include "server.h"

#define CACHE_SIZE 256
/* Exit status when it is the program that does not work, and nothing else. */
#define EXIT_REFUSED 2

static struct host host;

/* From the library that was asked for; else, if it can be, from one of the cache; else from the text. */
static enum status
build(const struct options *options, struct fault *fault)
{
	char library[PATH_MAX];
	enum status status;

	host.is_compiled = options->library != NULL;
	if (options->library || !options->cache)
		return program_build(&host.program, &host.ports, options->spec, options->library, fault);
	status = code_cache_library(options->cache, options->spec, options->ports, options->headers, library,
				    sizeof(library), &host.interpreted);
	if (status == STATUS_OK) {
		host.is_compiled = true;
		host.interpreted.text[0] = '\0';
		status = program_build(&host.program, &host.ports, options->spec, library, &host.interpreted);
		/* What comes after the pipeline itself is the same for both. */
		if (status == STATUS_OK || host.program.swx) {
			*fault = host.interpreted;
			return status;
		}
	}
	host.is_compiled = false;
	fprintf(stderr, "swx-host: warning: the program is interpreted: %s\n", host.interpreted.text);
	return program_build(&host.program, &host.ports, options->spec, NULL, fault);
}

static enum status
start(const struct options *options, const char *program, int *listener, struct fault *fault)
{
	struct rte_mempool *pool;
	enum status status = options_start_eal(options, program, fault);

	if (status != STATUS_OK)
		return status;
	pool = rte_pktmbuf_pool_create("packets", options->buffers, CACHE_SIZE, 0,
				       (uint16_t)(RTE_PKTMBUF_HEADROOM + options->frame), SOCKET_ID_ANY);
	if (!pool)
		return fault_set(fault, STATUS_NO_SPACE, "no memory for %u packet buffers: %s", options->buffers,
				 rte_strerror(rte_errno));
	status = ports_init(&host.ports, options->ports, pool, fault);
	if (status == STATUS_OK)
		status = build(options, fault);
	if (status == STATUS_OK)
		status = worker_start(&host.worker, host.program.swx, &host.ports, &options->worker, fault);
	/* Until a client says that tables and ports are ready. */
	if (status == STATUS_OK)
		worker_pause(&host.worker);
	host.transaction = (struct transaction){
		.program = &host.program,
		.worker = &host.worker,
		.notes = &host.notes,
	};
	if (status == STATUS_OK)
		status = server_listen(options->socket, listener, fault);
	return status;
}

static enum status
compile(const struct options *options, const char *program, struct fault *fault)
{
	enum status status = options_start_eal(options, program, fault);

	return status == STATUS_OK
		       ? compile_spec(options->spec, options->ports, options->headers, options->compile, fault)
		       : status;
}

int
main(int argc, char **argv)
{
	struct fault fault = {.text = ""};
	struct options options;
	enum status status;
	int listener = -1;
	bool help;

	if (options_parse(&options, argc, argv, &help, &fault) != STATUS_OK) {
		fprintf(stderr, "swx-host: %s\n", fault.text);
		return EXIT_FAILURE;
	}
	if (help) {
		options_help();
		return EXIT_SUCCESS;
	}
	if (options.die_with_parent)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	status = options.compile ? compile(&options, argv[0], &fault) : start(&options, argv[0], &listener, &fault);
	if (status != STATUS_OK) {
		fprintf(stderr, "swx-host: %s\n", fault.text);
		return status == STATUS_BAD_REQUEST ? EXIT_REFUSED : EXIT_FAILURE;
	}
	if (options.compile)
		return EXIT_SUCCESS;
	/* Nobody may read what this prints any more. */
	signal(SIGPIPE, SIG_IGN);
	printf("swx-host ready: %s\n", options.socket);
	fflush(stdout);
	server_run(listener, options.socket, &host);
	worker_stop(&host.worker);
	for (uint32_t i = 0; i < host.ports.count; i++)
		port_detach(&host.ports.slots[i]);
	rte_eal_cleanup();
	return EXIT_SUCCESS;
}
