#pragma once

#include <stdint.h>

#include <rte_swx_pipeline.h>

#include "fault.h"

/*
 * Configures a pipeline from a SWX specification as p4c-dpdk writes it. DPDK lost its own function for that in 22.11
 * (it compiles the specification with a C compiler instead), but a pipeline can still be put together by calls.
 *
 * `tx` instructions are guarded: SWX trusts the number of the output port and reads past its array for one that does
 * not exist. With the guard such a packet goes to the port `unknown`. Other instructions are written in a way that SWX
 * takes (spec-rewrite.h).
 */
enum status spec_configure(struct rte_swx_pipeline *swx, const char *file, uint32_t unknown, struct fault *fault);
/* The text of the specification with that done, to be freed; NULL if it cannot be read or run. */
char *spec_rewritten(const char *file, uint32_t unknown, struct fault *fault);
