#include "spec-tables.h"

#include <stdlib.h>
#include <string.h>

#define FIELDS_MAX 64
#define ACTIONS_MAX 256
#define TIMEOUTS_MAX 16
#define ARGUMENTS_SIZE 1024

/* What is in the block of a table, a learner or a selector. */
struct block {
	struct rte_swx_match_field_params keys[FIELDS_MAX];
	const char *fields[FIELDS_MAX];
	uint32_t n_fields;
	const char *actions[ACTIONS_MAX];
	int in_entries[ACTIONS_MAX];
	int in_default[ACTIONS_MAX];
	uint32_t n_actions;
	const char *default_action;
	char default_arguments[ARGUMENTS_SIZE];
	bool default_is_const;
	const char *hash;
	const char *type;
	const char *pragma;
	uint64_t size;
	uint32_t timeouts[TIMEOUTS_MAX];
	uint32_t n_timeouts;
	const char *group_id;
	const char *member_id;
	uint64_t n_groups;
	uint64_t n_slots;
};

typedef bool (*line_parser)(struct block *block, const struct spec_line *words);

static bool
parse_field(struct block *block, const struct spec_line *words)
{
	const char *match = words->n_words == 2 ? spec_word(words, 1) : "exact";
	struct rte_swx_match_field_params *key = &block->keys[block->n_fields];

	if (words->n_words > 2 || block->n_fields == FIELDS_MAX)
		return false;
	if (!strcmp(match, "exact"))
		key->match_type = RTE_SWX_TABLE_MATCH_EXACT;
	else if (!strcmp(match, "wildcard"))
		key->match_type = RTE_SWX_TABLE_MATCH_WILDCARD;
	else if (!strcmp(match, "lpm"))
		key->match_type = RTE_SWX_TABLE_MATCH_LPM;
	else
		return false;
	key->name = spec_word(words, 0);
	block->fields[block->n_fields++] = key->name;
	return true;
}

static bool
parse_action(struct block *block, const struct spec_line *words)
{
	const char *only = spec_word(words, 1);
	uint32_t i = block->n_actions;

	if (words->n_words > 2 || i == ACTIONS_MAX ||
	    (words->n_words == 2 && strcmp(only, "@tableonly") && strcmp(only, "@defaultonly")))
		return false;
	block->actions[i] = spec_word(words, 0);
	block->in_entries[i] = strcmp(only, "@defaultonly") != 0;
	block->in_default[i] = strcmp(only, "@tableonly") != 0;
	block->n_actions++;
	return true;
}

static bool
parse_timeout(struct block *block, const struct spec_line *words)
{
	uint64_t seconds;

	if (words->n_words != 1 || block->n_timeouts == TIMEOUTS_MAX ||
	    !spec_number(spec_word(words, 0), UINT32_MAX, &seconds))
		return false;
	block->timeouts[block->n_timeouts++] = (uint32_t)seconds;
	return true;
}

/* `default_action <name> args none|<parameter> <value>... [const]` */
static bool
parse_default(struct block *block, const struct spec_line *words)
{
	uint32_t end = words->n_words;

	block->default_is_const = !strcmp(spec_word(words, end - 1), "const");
	end -= block->default_is_const;
	if (end < 4 || strcmp(spec_word(words, 2), "args"))
		return false;
	block->default_action = spec_word(words, 1);
	if (end == 4 && !strcmp(spec_word(words, 3), "none"))
		return true;
	for (uint32_t i = 3; i < end; i++) {
		if (strlen(block->default_arguments) + strlen(words->words[i]) + 2 > ARGUMENTS_SIZE)
			return false;
		if (i > 3)
			strcat(block->default_arguments, " ");
		strcat(block->default_arguments, words->words[i]);
	}
	return true;
}

static enum status
parse_inner(struct spec_context *context, uint32_t line, struct block *block, line_parser parse)
{
	const struct spec_text *text = &context->text;

	if (!text->lines[line].end || text->lines[line].n_words != 1)
		return spec_fault(text, &text->lines[line], context->fault, "expected a block");
	for (uint32_t i = line + 1; i < text->lines[line].end; i++)
		if (text->lines[i].end || !parse(block, &text->lines[i]))
			return spec_fault(text, &text->lines[i], context->fault, "cannot make sense of this line");
	return STATUS_OK;
}

/* A part with one operand. */
static bool
parse_single(struct block *block, const struct spec_line *words)
{
	const struct {
		const char *word;
		const char **text;
		uint64_t *number;
	} parts[] = {
		{"size", NULL, &block->size},
		{"hash", &block->hash, NULL},
		{"instanceof", &block->type, NULL},
		{"pragma", &block->pragma, NULL},
		{"group_id", &block->group_id, NULL},
		{"member_id", &block->member_id, NULL},
		{"n_groups_max", NULL, &block->n_groups},
		{"n_members_per_group_max", NULL, &block->n_slots},
	};
	const char *value = spec_word(words, 1);

	/* A remark of p4c's on tables with an action selector. */
	if (!strcmp(spec_word(words, 0), "action_selector"))
		return true;
	for (uint32_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (strcmp(spec_word(words, 0), parts[i].word))
			continue;
		if (words->n_words != 2)
			return false;
		if (parts[i].number)
			return spec_number(value, UINT32_MAX, parts[i].number);
		*parts[i].text = value;
		return true;
	}
	return false;
}

static enum status
parse_part(struct spec_context *context, uint32_t line, struct block *block)
{
	const struct spec_text *text = &context->text;
	const struct spec_line *words = &text->lines[line];
	const char *word = spec_word(words, 0);
	bool good;

	if (!strcmp(word, "key") || !strcmp(word, "selector"))
		return parse_inner(context, line, block, parse_field);
	if (!strcmp(word, "actions"))
		return parse_inner(context, line, block, parse_action);
	if (!strcmp(word, "timeout"))
		return parse_inner(context, line, block, parse_timeout);
	good = !words->end &&
	       (!strcmp(word, "default_action") ? parse_default(block, words) : parse_single(block, words));
	return good ? STATUS_OK : spec_fault(text, words, context->fault, "cannot make sense of this part");
}

static enum status
parse_block(struct spec_context *context, uint32_t line, struct block *block)
{
	const struct spec_text *text = &context->text;
	const struct spec_line *head = &text->lines[line];
	enum status status = STATUS_OK;

	memset(block, 0, sizeof(*block));
	if (head->n_words != 2 || !head->end)
		return spec_fault(text, head, context->fault, "expected '<kind> <name> {'");
	for (uint32_t i = line + 1; status == STATUS_OK && i < head->end; i = spec_next(text, i))
		status = parse_part(context, i, block);
	return status;
}

/* A table or learner. DPDK looks for the default action among the others, and does not expect that it is not there. */
static enum status
parse_lookup(struct spec_context *context, uint32_t line, struct block *block)
{
	const struct spec_line *head = &context->text.lines[line];
	enum status status = parse_block(context, line, block);

	if (status != STATUS_OK)
		return status;
	if (!block->default_action)
		return spec_fault(&context->text, head, context->fault, "it has no default action");
	for (uint32_t i = 0; i < block->n_actions; i++)
		if (!strcmp(block->actions[i], block->default_action))
			return STATUS_OK;
	return spec_fault(&context->text, head, context->fault, "its default action is not one of its actions");
}

enum status
spec_table(struct spec_context *context, uint32_t line)
{
	static struct block block;
	struct rte_swx_pipeline_table_params params;
	enum status status = parse_lookup(context, line, &block);

	if (status != STATUS_OK)
		return status;
	params = (struct rte_swx_pipeline_table_params){
		/* DPDK refuses a key of no fields that is there. */
		.fields = block.n_fields ? block.keys : NULL,
		.n_fields = block.n_fields,
		.action_names = block.actions,
		.action_is_for_table_entries = block.in_entries,
		.action_is_for_default_entry = block.in_default,
		.n_actions = block.n_actions,
		.default_action_name = block.default_action,
		.default_action_args = block.default_arguments[0] ? block.default_arguments : NULL,
		.default_action_is_const = block.default_is_const,
		.hash_func_name = block.hash,
	};
	return spec_result(context, line,
			   rte_swx_pipeline_table_config(context->swx, spec_word(&context->text.lines[line], 1), &params,
							 block.type, block.pragma, (uint32_t)block.size));
}

enum status
spec_learner(struct spec_context *context, uint32_t line)
{
	static struct block block;
	struct rte_swx_pipeline_learner_params params;
	enum status status = parse_lookup(context, line, &block);

	if (status != STATUS_OK)
		return status;
	params = (struct rte_swx_pipeline_learner_params){
		.field_names = block.fields,
		.n_fields = block.n_fields,
		.action_names = block.actions,
		.action_is_for_table_entries = block.in_entries,
		.action_is_for_default_entry = block.in_default,
		.n_actions = block.n_actions,
		.default_action_name = block.default_action,
		.default_action_args = block.default_arguments[0] ? block.default_arguments : NULL,
		.default_action_is_const = block.default_is_const,
		.hash_func_name = block.hash,
	};
	return spec_result(context, line,
			   rte_swx_pipeline_learner_config(context->swx, spec_word(&context->text.lines[line], 1),
							   &params, (uint32_t)block.size, block.timeouts,
							   block.n_timeouts));
}

enum status
spec_selector(struct spec_context *context, uint32_t line)
{
	static struct block block;
	struct rte_swx_pipeline_selector_params params;
	enum status status = parse_block(context, line, &block);

	if (status != STATUS_OK)
		return status;
	params = (struct rte_swx_pipeline_selector_params){
		.group_id_field_name = block.group_id,
		.selector_field_names = block.fields,
		.n_selector_fields = block.n_fields,
		.member_id_field_name = block.member_id,
		.n_groups_max = (uint32_t)block.n_groups,
		.n_members_per_group_max = (uint32_t)block.n_slots,
	};
	return spec_result(context, line,
			   rte_swx_pipeline_selector_config(context->swx, spec_word(&context->text.lines[line], 1),
							    &params));
}
