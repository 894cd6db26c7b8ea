#pragma once

/* Instructions that DPDK does not take, or not safely, as others that do the same. */

#include "spec-text.h"

#define REWRITTEN_MAX 3
#define REWRITTEN_SIZE 1024

struct rewriter {
	/* What every port that does not exist becomes. */
	uint32_t unknown_port;
	/* For labels. */
	uint32_t guards;
};

/* Writes what takes the place of an instruction and tells how many they are; 0 if it stays. */
uint32_t spec_rewrite(struct rewriter *rewriter, const struct spec_line *words,
		      char instructions[REWRITTEN_MAX][REWRITTEN_SIZE]);
/* Why DPDK cannot run an instruction although it looks right, or NULL. */
const char *spec_unfit(const struct spec_text *text, const struct spec_line *words);
