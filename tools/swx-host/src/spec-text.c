#include "spec-text.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLANKS " \t\r\f\v"
#define SPEC_BYTES_MAX (16u << 20)
#define DEPTH_MAX 8

static enum status
read_file(const char *name, char **result, struct fault *fault)
{
	FILE *file = fopen(name, "r");
	char *text = file ? malloc(SPEC_BYTES_MAX + 1) : NULL;
	size_t length = text ? fread(text, 1, SPEC_BYTES_MAX + 1, file) : 0;
	enum status status = STATUS_OK;

	if (!file || (text && ferror(file)))
		status = fault_set(fault, STATUS_NOT_FOUND, "cannot read %s: %s", name, strerror(errno));
	else if (!text)
		status = fault_set(fault, STATUS_FAILED, "no memory for %s", name);
	else if (length > SPEC_BYTES_MAX || memchr(text, 0, length))
		status = fault_set(fault, STATUS_BAD_REQUEST, "%s is not text, or longer than %u bytes", name,
				   SPEC_BYTES_MAX);
	if (file)
		fclose(file);
	if (status != STATUS_OK) {
		free(text);
		return status;
	}
	text[length] = 0;
	*result = text;
	return STATUS_OK;
}

static bool
is_comment(const char *word)
{
	return word[0] == '#' || word[0] == ';' || !strncmp(word, "//", 2);
}

/* Cuts a row into words; false if there are too many, or no memory. */
static bool
split(char *row, struct spec_line *line)
{
	char *words[SPEC_WORDS], *rest = NULL;
	uint32_t count = 0;

	for (char *word = strtok_r(row, BLANKS, &rest); word && !is_comment(word); word = strtok_r(NULL, BLANKS, &rest)) {
		if (count == SPEC_WORDS)
			return false;
		words[count++] = word;
	}
	line->n_words = count;
	line->words = count ? malloc(count * sizeof(*words)) : NULL;
	if (count && line->words)
		memcpy(line->words, words, count * sizeof(*words));
	return !count || line->words;
}

static enum status
split_lines(struct spec_text *text, struct fault *fault)
{
	uint32_t number = 0, capacity = 1;
	char *at = text->text;

	for (const char *c = at; *c; c++)
		capacity += *c == '\n';
	text->lines = calloc(capacity, sizeof(*text->lines));
	if (!text->lines)
		return fault_set(fault, STATUS_FAILED, "no memory for %s", text->file);
	while (at) {
		struct spec_line *line = &text->lines[text->count];
		char *row = strsep(&at, "\n");

		line->number = ++number;
		if (!split(row, line))
			return spec_fault(text, line, fault, "too many words");
		if (line->n_words)
			text->count++;
	}
	return STATUS_OK;
}

static enum status
match_braces(struct spec_text *text, struct fault *fault)
{
	uint32_t open[DEPTH_MAX], depth = 0;

	for (uint32_t i = 0; i < text->count; i++) {
		struct spec_line *line = &text->lines[i];

		if (!strcmp(line->words[line->n_words - 1], "{")) {
			if (depth == DEPTH_MAX)
				return spec_fault(text, line, fault, "blocks too deep");
			line->n_words--;
			open[depth++] = i;
		} else if (!strcmp(line->words[0], "}")) {
			if (!depth || line->n_words != 1)
				return spec_fault(text, line, fault, "'}' closes nothing, or something follows it");
			text->lines[open[--depth]].end = i;
		}
	}
	return depth ? spec_fault(text, &text->lines[open[depth - 1]], fault, "this block is not closed") : STATUS_OK;
}

enum status
spec_text_read(struct spec_text *text, const char *file, struct fault *fault)
{
	enum status status;

	*text = (struct spec_text){.file = file};
	status = read_file(file, &text->text, fault);
	if (status != STATUS_OK)
		return status;
	status = split_lines(text, fault);
	return status == STATUS_OK ? match_braces(text, fault) : status;
}

void
spec_text_free(struct spec_text *text)
{
	for (uint32_t i = 0; i < text->count; i++)
		free(text->lines[i].words);
	free(text->lines);
	free(text->text);
}

uint32_t
spec_next(const struct spec_text *text, uint32_t line)
{
	return (text->lines[line].end ? text->lines[line].end : line) + 1;
}

const char *
spec_word(const struct spec_line *line, uint32_t i)
{
	return i < line->n_words ? line->words[i] : "";
}

bool
spec_number(const char *word, uint64_t max, uint64_t *value)
{
	char *end;

	errno = 0;
	*value = isdigit((unsigned char)word[0]) ? strtoull(word, &end, 0) : 0;
	return isdigit((unsigned char)word[0]) && !*end && !errno && *value <= max;
}

enum status
spec_fault(const struct spec_text *text, const struct spec_line *line, struct fault *fault, const char *message)
{
	return fault_set(fault, STATUS_BAD_REQUEST, "%s:%u: %s ('%s')", text->file, line->number, message,
			 spec_word(line, 0));
}
