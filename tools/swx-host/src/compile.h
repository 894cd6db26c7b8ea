#pragma once

#include <stdint.h>

#include "fault.h"
#include "port.h"

/*
 * Programs as compiled code: a C compiler makes a shared object of what DPDK generates from a specification. That
 * needs headers of DPDK that Debian does not install.
 */

/* Compiles a specification for pipelines with so many port slots. */
enum status compile_spec(const char *spec, uint32_t ports, const char *headers, const char *output,
			 struct fault *fault);
/* Whether a library is what compile_spec makes of `spec`, with this release of DPDK. */
enum status compile_check(const char *library, const char *spec, uint32_t ports, struct fault *fault);
/* A number that tells what compile_spec makes of one program from what it makes of others; and more text in it. */
enum status compile_digest(const char *spec, uint32_t ports, uint64_t *value, struct fault *fault);
uint64_t compile_digest_more(uint64_t value, const char *text);
/* Builds a pipeline from what compile_spec has made of `spec`. */
enum status compile_load(struct rte_swx_pipeline **swx, const char *name, int node, struct ports *ports,
			 const char *spec, const char *library, struct fault *fault);
