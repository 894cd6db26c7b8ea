#define _GNU_SOURCE
#include "code-cache.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_version.h>

#include "compile.h"

#define PATH_SIZE 4096
#define TEXT_SIZE 4096
#define HEADERS_COMMAND "make -C tools/swx-host headers"

/* The first line of a file that begins so, or its first one; empty if there is none. */
static void
read_line(const char *path, const char *beginning, char *line, size_t size)
{
	FILE *file = fopen(path, "r");

	*line = '\0';
	while (file && fgets(line, (int)size, file))
		if (!strncmp(line, beginning, strlen(beginning)))
			break;
		else
			*line = '\0';
	if (file)
		fclose(file);
}

static enum status
find_headers(const char *given, char *headers, size_t size, struct fault *fault)
{
	char program[PATH_SIZE];
	ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 1);
	char *slash = NULL;
	int written;

	if (length > 0) {
		program[length] = '\0';
		slash = strrchr(program, '/');
	}
	if (slash)
		*slash = '\0';
	written = given ? snprintf(headers, size, "%s", given) : snprintf(headers, size, "%s/headers", slash ? program : ".");
	if (written >= (int)size)
		return fault_set(fault, STATUS_BAD_REQUEST, "the path of DPDK's headers is too long");
	if (access(headers, R_OK))
		return fault_set(fault, STATUS_NOT_FOUND,
				 "there are no headers of DPDK's source package in %s (" HEADERS_COMMAND ")", headers);
	return STATUS_OK;
}

/* `make headers` notes of which package they are: 22.11.11-0+deb12u1. Code made with those of another release is wrong. */
static enum status
check_headers(const char *headers, char *version, size_t size, struct fault *fault)
{
	const char *number = strrchr(rte_version(), ' ');
	char path[PATH_SIZE + 16];
	size_t length;

	number = number ? number + 1 : rte_version();
	length = strlen(number);
	snprintf(path, sizeof(path), "%s/version", headers);
	read_line(path, "", version, size);
	version[strcspn(version, "\n")] = '\0';
	if (*version && (strncmp(version, number, length) || (version[length] && version[length] != '-')))
		return fault_set(fault, STATUS_FAILED, "the headers in %s are those of DPDK %s, not %s (" HEADERS_COMMAND ")",
				 headers, version, number);
	return STATUS_OK;
}

/* Code is run with all rights of this process, so nobody else may be able to put it there. */
static enum status
check_directory(const char *directory, struct fault *fault)
{
	struct stat about;

	if (mkdir(directory, 0700) && errno != EEXIST)
		return fault_set(fault, STATUS_FAILED, "cannot make %s: %s", directory, strerror(errno));
	if (stat(directory, &about))
		return fault_set(fault, STATUS_FAILED, "cannot read %s: %s", directory, strerror(errno));
	if (!S_ISDIR(about.st_mode) || about.st_uid != geteuid() || (about.st_mode & (S_IWGRP | S_IWOTH)))
		return fault_set(fault, STATUS_FAILED, "%s must be a directory that nobody but its owner, user %u, can write to",
				 directory, (unsigned int)geteuid());
	return STATUS_OK;
}

/* Makes it under another name first: whoever finds it finds all of it, also after a power failure. */
static enum status
make_library(const char *spec, uint32_t ports, const char *headers, const char *library, struct fault *fault)
{
	char made[PATH_SIZE + 16];
	enum status status;
	int file;

	snprintf(made, sizeof(made), "%s.XXXXXX", library);
	file = mkstemp(made);
	if (file < 0)
		return fault_set(fault, STATUS_FAILED, "cannot write %s: %s", made, strerror(errno));
	close(file);
	status = compile_spec(spec, ports, headers, made, fault);
	/* A linker may have put another file in its place. */
	file = status == STATUS_OK ? open(made, O_RDONLY | O_CLOEXEC) : -1;
	if (status == STATUS_OK && (file < 0 || fsync(file) || rename(made, library)))
		status = fault_set(fault, STATUS_FAILED, "cannot write %s: %s", library, strerror(errno));
	if (file >= 0)
		close(file);
	if (status != STATUS_OK)
		unlink(made);
	return status;
}

enum status
code_cache_library(const char *directory, const char *spec, uint32_t ports, const char *given, char *library, size_t size,
		   struct fault *fault)
{
	char headers[PATH_SIZE], version[128], cpu[TEXT_SIZE];
	uint64_t key = 0;
	enum status status = find_headers(given, headers, sizeof(headers), fault);

	if (status == STATUS_OK)
		status = check_headers(headers, version, sizeof(version), fault);
	if (status == STATUS_OK)
		status = check_directory(directory, fault);
	if (status == STATUS_OK)
		status = compile_digest(spec, ports, &key, fault);
	if (status != STATUS_OK)
		return status;
	/* The code is for this very kind of CPU; the directory may be that of an image that is started anywhere. */
	read_line("/proc/cpuinfo", "flags", cpu, sizeof(cpu));
	key = compile_digest_more(compile_digest_more(key, version), cpu);
	if (snprintf(library, size, "%s/%016" PRIx64 ".so", directory, key) >= (int)size)
		return fault_set(fault, STATUS_BAD_REQUEST, "the path is too long: %s", directory);
	return compile_check(library, spec, ports, fault) == STATUS_OK
		       ? STATUS_OK
		       : make_library(spec, ports, headers, library, fault);
}
