#pragma once

#include <stddef.h>
#include <stdint.h>

#include "fault.h"

/*
 * Compiled code, made when a program runs for the first time and kept in a directory: for each program, number of
 * ports, release of DPDK, its headers and kind of CPU a file of its own. The directory can be emptied at any time.
 */

/*
 * Gives the library of a specification, which it compiles if there is none. If there cannot be one, `fault` tells why:
 * the program can still be interpreted. Without `headers` they are looked for in the directory of that name beside this
 * program.
 */
enum status code_cache_library(const char *directory, const char *spec, uint32_t ports, const char *headers,
			       char *library, size_t size, struct fault *fault);
