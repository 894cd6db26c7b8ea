#include "spec-program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct spec_line *
line_at(const struct spec_context *context, uint32_t line)
{
	return &context->text.lines[line];
}

static enum status
expected(struct spec_context *context, uint32_t line, const char *what)
{
	return spec_fault(&context->text, line_at(context, line), context->fault, what);
}

enum status
spec_result(struct spec_context *context, uint32_t line, int error)
{
	char message[128];

	if (!error)
		return STATUS_OK;
	snprintf(message, sizeof(message), "DPDK refuses this: %s", strerror(error < 0 ? -error : error));
	return expected(context, line, message);
}

/* `bit<n>`, `varbit<n>`, or a boolean of p4c's, which is a byte. */
static bool
field_bits(const char *type, uint32_t *bits, bool *variable)
{
	char number[16], close[2];
	uint64_t value;

	*variable = !strncmp(type, "varbit<", 7);
	if (!strcmp(type, "bool")) {
		*bits = 8;
		return true;
	}
	if ((!*variable && strncmp(type, "bit<", 4)) ||
	    sscanf(type + (*variable ? 7 : 4), "%15[0-9A-Fa-fxX]%1[>]", number, close) != 2 ||
	    !spec_number(number, 1u << 18, &value) || value == 0 || value % 8)
		return false;
	*bits = (uint32_t)value;
	return true;
}

enum status
spec_struct(struct spec_context *context, uint32_t line)
{
	const struct spec_line *head = line_at(context, line);
	uint32_t count = head->end ? head->end - line - 1 : 0;
	struct rte_swx_field_params *fields = calloc(count ? count : 1, sizeof(*fields));
	enum status status = STATUS_OK;
	bool variable = false;

	if (!fields)
		return expected(context, line, "no memory");
	if (head->n_words != 2 || !count)
		status = expected(context, line, "expected 'struct <name> {' with fields");
	for (uint32_t i = 0; status == STATUS_OK && i < count; i++) {
		const struct spec_line *entry = line_at(context, line + 1 + i);

		fields[i].name = spec_word(entry, 1);
		if (entry->n_words != 2 || variable || !field_bits(spec_word(entry, 0), &fields[i].n_bits, &variable))
			status = expected(context, line + 1 + i, "expected 'bit<width> <field>', whole bytes, varbit last");
	}
	if (status == STATUS_OK)
		status = spec_result(context, line,
				     rte_swx_pipeline_struct_type_register(context->swx, spec_word(head, 1), fields, count,
									   variable));
	free(fields);
	return status;
}

enum status
spec_header(struct spec_context *context, uint32_t line)
{
	const struct spec_line *words = line_at(context, line);

	if (words->n_words != 4 || strcmp(spec_word(words, 2), "instanceof"))
		return expected(context, line, "expected 'header <name> instanceof <struct>'");
	return spec_result(context, line,
			   rte_swx_pipeline_packet_header_register(context->swx, spec_word(words, 1),
								   spec_word(words, 3)));
}

enum status
spec_metadata(struct spec_context *context, uint32_t line)
{
	const struct spec_line *words = line_at(context, line);

	if (words->n_words != 3 || strcmp(spec_word(words, 1), "instanceof"))
		return expected(context, line, "expected 'metadata instanceof <struct>'");
	return spec_result(context, line, rte_swx_pipeline_packet_metadata_register(context->swx, spec_word(words, 2)));
}

enum status
spec_register_array(struct spec_context *context, uint32_t line)
{
	const struct spec_line *words = line_at(context, line);
	uint64_t size, initial;

	if (words->n_words != 6 || strcmp(spec_word(words, 2), "size") || strcmp(spec_word(words, 4), "initval") ||
	    !spec_number(spec_word(words, 3), UINT32_MAX, &size) ||
	    !spec_number(spec_word(words, 5), UINT64_MAX, &initial))
		return expected(context, line, "expected 'regarray <name> size <n> initval <n>'");
	return spec_result(context, line,
			   rte_swx_pipeline_regarray_config(context->swx, spec_word(words, 1), (uint32_t)size, initial));
}

enum status
spec_meter_array(struct spec_context *context, uint32_t line)
{
	const struct spec_line *words = line_at(context, line);
	uint64_t size;

	if (words->n_words != 4 || strcmp(spec_word(words, 2), "size") ||
	    !spec_number(spec_word(words, 3), UINT32_MAX, &size))
		return expected(context, line, "expected 'metarray <name> size <n>'");
	return spec_result(context, line,
			   rte_swx_pipeline_metarray_config(context->swx, spec_word(words, 1), (uint32_t)size));
}

/* Instructions as DPDK wants them: one text each. */
struct instructions {
	const char **texts;
	uint32_t count;
};

static void
free_instructions(struct instructions *list)
{
	for (uint32_t i = 0; i < list->count; i++)
		free((void *)(uintptr_t)list->texts[i]);
	free(list->texts);
}

static bool
add_instruction(struct instructions *list, const char *text)
{
	const char **texts = realloc(list->texts, (list->count + 1) * sizeof(*texts));

	if (!texts)
		return false;
	list->texts = texts;
	list->texts[list->count] = strdup(text);
	return list->texts[list->count] && ++list->count;
}

static bool
add_words(struct instructions *list, const struct spec_line *words)
{
	char text[REWRITTEN_SIZE];
	size_t length = 0;

	for (uint32_t i = 0; i < words->n_words; i++) {
		int added = snprintf(&text[length], sizeof(text) - length, "%s%s", i ? " " : "", words->words[i]);

		if (added < 0 || (length += (size_t)added) >= sizeof(text))
			return false;
	}
	return add_instruction(list, text);
}

static bool
add_rewritten(struct spec_context *context, struct instructions *list, const struct spec_line *words)
{
	char texts[REWRITTEN_MAX][REWRITTEN_SIZE];
	uint32_t count = spec_rewrite(&context->rewriter, words, texts);

	for (uint32_t i = 0; i < count; i++)
		if (!add_instruction(list, texts[i]))
			return false;
	return count ? true : add_words(list, words);
}

static enum status
read_instructions(struct spec_context *context, uint32_t line, struct instructions *list)
{
	uint32_t end = line_at(context, line)->end;

	*list = (struct instructions){0};
	if (!end)
		return expected(context, line, "expected '{' and instructions");
	for (uint32_t i = line + 1; i < end; i++)
		if (!add_rewritten(context, list, line_at(context, i)))
			return expected(context, i, "no memory for this instruction, or it is too long");
	return STATUS_OK;
}

enum status
spec_action(struct spec_context *context, uint32_t line)
{
	const struct spec_line *words = line_at(context, line);
	bool none = words->n_words == 4 && !strcmp(spec_word(words, 3), "none");
	bool typed = words->n_words == 5 && !strcmp(spec_word(words, 3), "instanceof");
	struct instructions list;
	enum status status;

	if ((!none && !typed) || strcmp(spec_word(words, 2), "args"))
		return expected(context, line, "expected 'action <name> args none|instanceof <struct> {'");
	status = read_instructions(context, line, &list);
	if (status == STATUS_OK)
		status = spec_result(context, line,
				     rte_swx_pipeline_action_config(context->swx, spec_word(words, 1),
								    typed ? spec_word(words, 4) : NULL,
								    list.texts, list.count));
	free_instructions(&list);
	return status;
}

enum status
spec_apply(struct spec_context *context, uint32_t line)
{
	struct instructions list;
	enum status status = read_instructions(context, line, &list);

	if (status == STATUS_OK)
		status = spec_result(context, line,
				     rte_swx_pipeline_instructions_config(context->swx, list.texts,
									  list.count));
	free_instructions(&list);
	return status;
}
