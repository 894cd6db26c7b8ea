#define _GNU_SOURCE
#include "compile.h"

#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rte_swx_port_ring.h>
#include <rte_version.h>

#include "spec.h"

/* Tell for how many slots an object was compiled, of which program and for which release of DPDK. */
#define PORTS_SYMBOL "swx_host_ports"
#define PROGRAM_SYMBOL "swx_host_program"
#define RELEASE_SYMBOL "swx_host_dpdk"
#define PATH_SIZE 4096

extern char **environ;

/* FNV-1a, to tell one program from another. */
static uint64_t
digest(const char *text)
{
	return compile_digest_more(0xcbf29ce484222325, text);
}

uint64_t
compile_digest_more(uint64_t value, const char *text)
{
	for (; *text; text++)
		value = (value ^ (uint8_t)*text) * 0x100000001b3;
	return value;
}

enum status
compile_digest(const char *spec, uint32_t ports, uint64_t *value, struct fault *fault)
{
	char *text = spec_rewritten(spec, ports, fault);
	char about[64];

	if (!text)
		return STATUS_BAD_REQUEST;
	snprintf(about, sizeof(about), "%u %s", ports, rte_version());
	*value = compile_digest_more(digest(text), about);
	free(text);
	return STATUS_OK;
}

static enum status
generate(const char *spec, uint32_t ports, const char *code, struct fault *fault)
{
	char *text = spec_rewritten(spec, ports, fault);
	const char *message = NULL;
	enum status status = STATUS_OK;
	uint32_t line = 0;
	FILE *in, *out;
	int error;

	if (!text)
		return STATUS_BAD_REQUEST;
	in = fmemopen(text, strlen(text), "r");
	out = fopen(code, "w");
	if (in && out) {
		error = rte_swx_pipeline_codegen(in, out, &line, &message);
		if (error)
			status = fault_set(fault, STATUS_BAD_REQUEST, "%s: it cannot be turned into code: %s (%s)", spec,
					   message ? message : "", strerror(-error));
		fprintf(out, "\nconst uint32_t " PORTS_SYMBOL " = %u;\n", ports);
		fprintf(out, "const uint64_t " PROGRAM_SYMBOL " = %#" PRIx64 ";\n", digest(text));
		fprintf(out, "const char " RELEASE_SYMBOL "[] = \"%s\";\n", rte_version());
	} else {
		status = fault_set(fault, STATUS_FAILED, "cannot write %s: %s", code, strerror(errno));
	}
	if (in)
		fclose(in);
	if (out && fclose(out) && status == STATUS_OK)
		status = fault_set(fault, STATUS_FAILED, "cannot write %s: %s", code, strerror(errno));
	free(text);
	return status;
}

/*
 * The code breaks C's aliasing rules: checksum instructions access 16 bits, all others 64. The flags of libdpdk come
 * from pkg-config, through the shell; all paths are arguments of it. The parameters have every instruction inlined, so
 * that its offsets and sizes are constants: packets are some 8 % faster.
 */
static enum status
run_compiler(const char *code, const char *headers, const char *output, struct fault *fault)
{
	static const char script[] = "exec ${CC:-cc} -O3 -fno-strict-aliasing -march=native -w -shared -fPIC "
				     "--param inline-unit-growth=2000 --param large-function-growth=5000 "
				     "--param large-function-insns=100000 --param max-inline-insns-single=2000 "
				     "--param max-inline-insns-auto=300 "
				     "-DALLOW_EXPERIMENTAL_API $(pkg-config --cflags libdpdk) -I\"$1\" -o \"$2\" \"$3\"";
	const char *arguments[] = {"sh", "-c", script, "sh", headers, output, code, NULL};
	char *const *argv = (char *const *)(uintptr_t)arguments;
	int result = 0;
	pid_t child;

	if (posix_spawn(&child, "/bin/sh", NULL, NULL, argv, environ) || waitpid(child, &result, 0) < 0)
		return fault_set(fault, STATUS_FAILED, "cannot run the C compiler: %s", strerror(errno));
	if (result)
		return fault_set(fault, STATUS_FAILED,
				 "the C compiler fails; are rte_swx_pipeline_internal.h and rte_swx_pipeline_spec.h of this "
				 "version of DPDK in %s?",
				 headers);
	return STATUS_OK;
}

enum status
compile_spec(const char *spec, uint32_t ports, const char *headers, const char *output, struct fault *fault)
{
	char code[PATH_SIZE];
	enum status status;

	if (snprintf(code, sizeof(code), "%s.c", output) >= (int)sizeof(code))
		return fault_set(fault, STATUS_BAD_REQUEST, "the path is too long: %s", output);
	status = generate(spec, ports, code, fault);
	if (status == STATUS_OK)
		status = run_compiler(code, headers, output, fault);
	unlink(code);
	return status;
}

/* The ports of the pipeline that is being built. */
static struct ports *building;

static void *
slot_of(const char *name)
{
	uint32_t slot;

	return sscanf(name, "slot%u", &slot) == 1 && slot <= building->count ? &building->slots[slot] : NULL;
}

static void *
create_in(void *arguments)
{
	return slot_of(((struct rte_swx_port_ring_reader_params *)arguments)->name);
}

static void *
create_out(void *arguments)
{
	return slot_of(((struct rte_swx_port_ring_writer_params *)arguments)->name);
}

static FILE *
port_list(const struct ports *ports)
{
	FILE *file = tmpfile();

	if (!file)
		return NULL;
	for (uint32_t i = 0; i < ports->count; i++)
		fprintf(file, "port in %u ring slot%u bsz 1\n", i, i);
	for (uint32_t i = 0; i <= ports->count; i++)
		fprintf(file, "port out %u ring slot%u bsz 1\n", i, i);
	rewind(file);
	return file;
}

enum status
compile_check(const char *library, const char *spec, uint32_t ports, struct fault *fault)
{
	char *text = spec_rewritten(spec, ports, fault);
	void *object = text ? dlopen(library, RTLD_LAZY | RTLD_LOCAL) : NULL;
	const uint32_t *compiled = object ? dlsym(object, PORTS_SYMBOL) : NULL;
	const uint64_t *program = compiled ? dlsym(object, PROGRAM_SYMBOL) : NULL;
	const char *release = program ? dlsym(object, RELEASE_SYMBOL) : NULL;
	enum status status = STATUS_OK;

	if (!text)
		return STATUS_BAD_REQUEST;
	if (!release)
		status = fault_set(fault, STATUS_NOT_FOUND, "%s was not made by swx-host --compile: %.120s", library,
				   dlerror());
	else if (*compiled != ports)
		status = fault_set(fault, STATUS_BAD_REQUEST, "%s is for --ports %u, not %u: compile it again", library,
				   *compiled, ports);
	else if (strcmp(release, rte_version()))
		status = fault_set(fault, STATUS_BAD_REQUEST, "%s is for %s, not %s: compile it again", library, release,
				   rte_version());
	else if (*program != digest(text))
		status = fault_set(fault, STATUS_BAD_REQUEST, "%s was compiled from another program: compile it again",
				   library);
	if (object)
		dlclose(object);
	free(text);
	return status;
}

/*
 * A pipeline from compiled code is built in one call, which knows only DPDK's own types of ports. Here the rings are
 * replaced by our slots: the operations of a type are a public structure.
 */
enum status
compile_load(struct rte_swx_pipeline **swx, const char *name, int node, struct ports *ports, const char *spec,
	     const char *library, struct fault *fault)
{
	enum status status = compile_check(library, spec, ports->count, fault);
	FILE *list = status == STATUS_OK ? port_list(ports) : NULL;
	int error;

	if (status != STATUS_OK)
		return status;
	if (!list)
		return fault_set(fault, STATUS_FAILED, "cannot make a temporary file: %s", strerror(errno));
	building = ports;
	rte_swx_port_ring_reader_ops = *ports_in_ops();
	rte_swx_port_ring_reader_ops.create = create_in;
	rte_swx_port_ring_writer_ops = *ports_out_ops();
	rte_swx_port_ring_writer_ops.create = create_out;
	error = rte_swx_pipeline_build_from_lib(swx, name, library, list, node);
	fclose(list);
	if (error)
		return fault_set(fault, STATUS_FAILED, "%s cannot be built (%s): not enough memory, or another version of DPDK",
				 library, strerror(-error));
	ports->swx = *swx;
	return STATUS_OK;
}
