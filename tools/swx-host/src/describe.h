#pragma once

/* Asks a pipeline of DPDK what it has. */

#include "program.h"

/* Fills in everything but the state. */
enum status describe_program(struct program *program, struct fault *fault);
/* Makes the second copy of a selector. */
enum status describe_selector_copy(struct program *program, uint32_t selector, struct fault *fault);
