#include "spec-rewrite.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* What every field can hold. */
#define LENGTH_MAX 255

/* Where the instruction is among the words: behind a label, if it has one. */
static uint32_t
first_word(const struct spec_line *words)
{
	return strcmp(spec_word(words, 1), ":") ? 0 : 2;
}

static bool
is_number(const char *word)
{
	return isdigit((unsigned char)*word);
}

static bool
fits(int length)
{
	return length > 0 && length < REWRITTEN_SIZE;
}

/* `tx m.port` becomes: jmplt OK m.port <unknown>; mov m.port <unknown>; OK : tx m.port */
static uint32_t
rewrite_transmit(struct rewriter *rewriter, const char *label, const char *operand,
		 char instructions[REWRITTEN_MAX][REWRITTEN_SIZE])
{
	uint32_t guard = rewriter->guards++, unknown = rewriter->unknown_port;

	if (!fits(snprintf(instructions[0], REWRITTEN_SIZE, "%sjmplt SWXHOST_TX_%u %s %u", label, guard, operand, unknown)) ||
	    !fits(snprintf(instructions[1], REWRITTEN_SIZE, "mov %s %u", operand, unknown)) ||
	    !fits(snprintf(instructions[2], REWRITTEN_SIZE, "SWXHOST_TX_%u : tx %s", guard, operand)))
		return 0;
	return 3;
}

/* `meter <array> <index> <number> <color in> <color out>`: DPDK takes the length from a field only. */
static bool
meters_number(const struct spec_line *words, uint32_t first)
{
	return words->n_words == first + 6 && !strcmp(spec_word(words, first), "meter") &&
	       is_number(spec_word(words, first + 3));
}

/* Becomes: mov <color out> <number>; meter <array> <index> <color out> <color in> <color out> */
static uint32_t
rewrite_meter(const char *label, const struct spec_line *words, uint32_t first,
	      char instructions[REWRITTEN_MAX][REWRITTEN_SIZE])
{
	const char *color = spec_word(words, first + 5);

	if (!fits(snprintf(instructions[0], REWRITTEN_SIZE, "%smov %s %s", label, color, spec_word(words, first + 3))) ||
	    !fits(snprintf(instructions[1], REWRITTEN_SIZE, "meter %s %s %s %s %s", spec_word(words, first + 1),
			   spec_word(words, first + 2), color, spec_word(words, first + 4), color)))
		return 0;
	return 2;
}

uint32_t
spec_rewrite(struct rewriter *rewriter, const struct spec_line *words,
	     char instructions[REWRITTEN_MAX][REWRITTEN_SIZE])
{
	uint32_t first = first_word(words);
	const char *operand = spec_word(words, first + 1);
	char label[REWRITTEN_SIZE] = "";

	/* What does not fit into names of DPDK, it refuses. */
	if (first && !fits(snprintf(label, sizeof(label), "%s : ", spec_word(words, 0))))
		return 0;
	if (words->n_words == first + 2 && !strcmp(spec_word(words, first), "tx") && !strncmp(operand, "m.", 2))
		return rewrite_transmit(rewriter, label, operand, instructions);
	if (meters_number(words, first))
		return rewrite_meter(label, words, first, instructions);
	return 0;
}

static bool
is_first_array(const struct spec_text *text, const char *name)
{
	for (uint32_t i = 0; i < text->count; i = spec_next(text, i))
		if (!strcmp(spec_word(&text->lines[i], 0), "regarray"))
			return !strcmp(spec_word(&text->lines[i], 1), name);
	return false;
}

/* `regadd <array> <number> <number>`: DPDK (22.11 at least) forgets which array is meant and adds to the first one. */
static bool
adds_to_wrong_array(const struct spec_text *text, const struct spec_line *words, uint32_t first)
{
	return !strcmp(spec_word(words, first), "regadd") && is_number(spec_word(words, first + 2)) &&
	       is_number(spec_word(words, first + 3)) && !is_first_array(text, spec_word(words, first + 1));
}

const char *
spec_unfit(const struct spec_text *text, const struct spec_line *words)
{
	uint32_t first = first_word(words);
	const char *color = spec_word(words, first + 5);
	uint64_t length;

	if (adds_to_wrong_array(text, words, first))
		return "DPDK would add to another register array: with a constant index and a constant, only the first one "
		       "of the specification works";
	if (!meters_number(words, first))
		return NULL;
	if (!spec_number(spec_word(words, first + 3), LENGTH_MAX, &length))
		return "DPDK takes the length for a meter from a field: a constant must be below 256";
	if (!strcmp(color, spec_word(words, first + 2)) || !strcmp(color, spec_word(words, first + 4)))
		return "DPDK takes the length for a meter from a field: with a constant, the color must go to another field "
		       "than index and color come from";
	return NULL;
}
