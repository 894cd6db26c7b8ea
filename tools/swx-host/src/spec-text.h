#pragma once

/* The text of a SWX specification as lines of words, and blocks of lines: the part that is the same for every statement. */

#include <stdbool.h>
#include <stdint.h>

#include "fault.h"

/* The longest statements are default actions with arguments; DPDK itself takes 64 words. */
#define SPEC_WORDS 64

struct spec_line {
	uint32_t number;
	uint32_t n_words;
	char **words;
	/* The line of the closing brace if this line opens a block (its brace is not among the words), else 0. */
	uint32_t end;
};

struct spec_text {
	const char *file;
	char *text;
	struct spec_line *lines;
	uint32_t count;
};

enum status spec_text_read(struct spec_text *text, const char *file, struct fault *fault);
void spec_text_free(struct spec_text *text);
/* The line behind a statement: behind its block, if it has one. */
uint32_t spec_next(const struct spec_text *text, uint32_t line);
/* Word `i` of a line, or "". */
const char *spec_word(const struct spec_line *line, uint32_t i);
bool spec_number(const char *word, uint64_t max, uint64_t *value);
/* A fault that names the file and the line. */
enum status spec_fault(const struct spec_text *text, const struct spec_line *line, struct fault *fault,
		       const char *message);
