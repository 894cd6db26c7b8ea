#include "spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spec-program.h"
#include "spec-tables.h"
#include "spec-text.h"

/* What a kind of statement is made into. */
struct statement {
	const char *keyword;
	enum status (*configure)(struct spec_context *context, uint32_t line);
};

static enum status
unsupported(struct spec_context *context, uint32_t line)
{
	return spec_fault(&context->text, &context->text.lines[line], context->fault,
			  "extern and RSS objects are not supported");
}

/* In the order in which they need each other. */
static const struct statement statements[] = {
	{"extobj", unsupported},
	{"rss", unsupported},
	{"regarray", spec_register_array},
	{"metarray", spec_meter_array},
	{"struct", spec_struct},
	{"header", spec_header},
	{"metadata", spec_metadata},
	{"action", spec_action},
	{"table", spec_table},
	{"selector", spec_selector},
	{"learner", spec_learner},
	{"apply", spec_apply},
};

#define N_STATEMENTS (sizeof(statements) / sizeof(statements[0]))

static enum status
configure_all(struct spec_context *context, const struct statement *statement)
{
	const struct spec_text *text = &context->text;
	enum status status = STATUS_OK;

	for (uint32_t i = 0; status == STATUS_OK && i < text->count; i = spec_next(text, i))
		if (!strcmp(spec_word(&text->lines[i], 0), statement->keyword))
			status = statement->configure(context, i);
	return status;
}

/* DPDK takes programs without one of these, and fails when it builds them. */
static enum status
check_once(struct spec_context *context, const char *keyword)
{
	const struct spec_text *text = &context->text;
	uint32_t count = 0;

	for (uint32_t i = 0; i < text->count; i = spec_next(text, i))
		count += !strcmp(spec_word(&text->lines[i], 0), keyword);
	if (count == 1)
		return STATUS_OK;
	return fault_set(context->fault, STATUS_BAD_REQUEST, "%s: no program: it has %u '%s', not one", text->file, count,
			 keyword);
}

static enum status
check_keywords(struct spec_context *context)
{
	const struct spec_text *text = &context->text;

	for (uint32_t i = 0; i < text->count; i = spec_next(text, i)) {
		uint32_t known = 0;

		while (known < N_STATEMENTS && strcmp(spec_word(&text->lines[i], 0), statements[known].keyword))
			known++;
		if (known == N_STATEMENTS)
			return spec_fault(text, &text->lines[i], context->fault, "no such declaration");
	}
	return STATUS_OK;
}

static enum status
check_fit(struct spec_context *context)
{
	const struct spec_text *text = &context->text;

	for (uint32_t i = 0; i < text->count; i++) {
		const char *unfit = spec_unfit(text, &text->lines[i]);

		if (unfit)
			return spec_fault(text, &text->lines[i], context->fault, unfit);
	}
	return STATUS_OK;
}

enum status
spec_configure(struct rte_swx_pipeline *swx, const char *file, uint32_t unknown, struct fault *fault)
{
	struct spec_context context = {.swx = swx, .rewriter = {.unknown_port = unknown}, .fault = fault};
	enum status status = spec_text_read(&context.text, file, fault);

	if (status == STATUS_OK)
		status = check_keywords(&context);
	if (status == STATUS_OK)
		status = check_fit(&context);
	if (status == STATUS_OK)
		status = check_once(&context, "metadata");
	if (status == STATUS_OK)
		status = check_once(&context, "apply");
	for (uint32_t i = 0; status == STATUS_OK && i < N_STATEMENTS; i++)
		status = configure_all(&context, &statements[i]);
	spec_text_free(&context.text);
	return status;
}

static void
print_line(const struct spec_line *line, FILE *out)
{
	for (uint32_t i = 0; i < line->n_words; i++)
		fprintf(out, "%s%s", i ? " " : "", line->words[i]);
	fputs(line->end ? " {\n" : "\n", out);
}

static void
print_rewritten(struct spec_context *context, FILE *out)
{
	for (uint32_t i = 0; i < context->text.count; i++) {
		const struct spec_line *line = &context->text.lines[i];
		char texts[REWRITTEN_MAX][REWRITTEN_SIZE];
		uint32_t count = spec_rewrite(&context->rewriter, line, texts);

		if (!count)
			print_line(line, out);
		for (uint32_t j = 0; j < count; j++)
			fprintf(out, "%s\n", texts[j]);
	}
}

char *
spec_rewritten(const char *file, uint32_t unknown, struct fault *fault)
{
	struct spec_context context = {.rewriter = {.unknown_port = unknown}, .fault = fault};
	char *text = NULL;
	size_t size = 0;

	if (spec_text_read(&context.text, file, fault) == STATUS_OK && check_fit(&context) == STATUS_OK) {
		FILE *out = open_memstream(&text, &size);

		if (out) {
			print_rewritten(&context, out);
			fclose(out);
		}
		if (!text)
			fault_set(fault, STATUS_FAILED, "no memory for %s", file);
	}
	spec_text_free(&context.text);
	return text;
}
