#include "describe.h"

#include <stdlib.h>
#include <string.h>

#include <rte_swx_table_learner.h>

#include "rules.h"

/* Longest field that SWX keeps as a number. Longer ones are bytes in network order wherever they are. */
#define NUMBER_BYTES 8

#define TRY(call)                                                                                                      \
	do {                                                                                                           \
		int try_error = (call);                                                                                \
		if (try_error)                                                                                         \
			return fault_set(fault, STATUS_FAILED, "%s: %s", #call, strerror(-try_error));                 \
	} while (0)

static void *
array(uint32_t count, size_t size)
{
	return calloc(count ? count : 1, size);
}

static enum status
out_of_memory(struct fault *fault)
{
	return fault_set(fault, STATUS_FAILED, "no memory to describe the program");
}

static enum status
describe_action(struct program *program, uint32_t id, struct fault *fault)
{
	struct action *action = &program->actions[id];
	struct rte_swx_ctl_action_info info;

	TRY(rte_swx_ctl_action_info_get(program->swx, id, &info));
	memcpy(action->name, info.name, sizeof(action->name));
	action->n_arguments = info.n_args;
	action->arguments = array(info.n_args, sizeof(struct field));
	if (!action->arguments)
		return out_of_memory(fault);
	for (uint32_t i = 0; i < info.n_args; i++) {
		struct field *field = &action->arguments[i];
		struct rte_swx_ctl_action_arg_info argument;

		TRY(rte_swx_ctl_action_arg_info_get(program->swx, id, i, &argument));
		memcpy(field->name, argument.name, sizeof(field->name));
		field->bytes = argument.n_bits / 8;
		field->offset = action->size;
		field->host_order = !argument.is_network_byte_order && field->bytes <= NUMBER_BYTES;
		action->size += field->bytes;
	}
	return STATUS_OK;
}

static enum status
use_action(struct program *program, struct table *table, uint32_t i, const struct rte_swx_ctl_table_action_info *info)
{
	uint32_t size = program->actions[info->action_id].size;

	table->actions[i] = (struct action_use){
		.action = info->action_id,
		.in_entries = info->action_is_for_table_entries,
		.in_default = info->action_is_for_default_entry,
	};
	if (size > table->params.action_data_size)
		table->params.action_data_size = size;
	return STATUS_OK;
}

static void
describe_field(struct table *table, uint32_t i, const struct rte_swx_ctl_table_match_field_info *info)
{
	struct field *field = &table->fields[i];

	field->bytes = info->n_bits / 8;
	field->offset = info->offset / 8;
	field->host_order = !info->is_header && field->bytes <= NUMBER_BYTES;
	field->match = info->match_type;
	table->key_bytes += field->bytes;
}

/*
 * The key as SWX lays it out: all from the first byte of the first field to the last byte of the last one, as they are
 * in the header or in the metadata, with a mask that leaves out what is between them.
 */
static enum status
describe_key(struct table *table, struct fault *fault)
{
	uint32_t first = UINT32_MAX, end = 0;

	table->is_exact = true;
	table->params.match_type = RTE_SWX_TABLE_MATCH_EXACT;
	for (uint32_t i = 0; i < table->n_fields; i++) {
		const struct field *field = &table->fields[i];

		if (field->offset < first)
			first = field->offset;
		if (field->offset + field->bytes > end)
			end = field->offset + field->bytes;
		if (field->match != RTE_SWX_TABLE_MATCH_EXACT)
			table->is_exact = false;
	}
	if (!table->n_fields)
		return STATUS_OK;
	if (!table->is_exact)
		table->params.match_type = RTE_SWX_TABLE_MATCH_WILDCARD;
	table->params.key_offset = first;
	table->params.key_size = end - first;
	table->params.key_mask0 = array(end - first, 1);
	if (!table->params.key_mask0)
		return out_of_memory(fault);
	for (uint32_t i = 0; i < table->n_fields; i++) {
		table->fields[i].offset -= first;
		memset(&table->params.key_mask0[table->fields[i].offset], 0xff, table->fields[i].bytes);
	}
	return STATUS_OK;
}

static enum status
describe_table(struct program *program, uint32_t id, struct fault *fault)
{
	struct table *table = &program->tables[id];
	struct rte_swx_ctl_table_info info;
	uint64_t mailbox = 0;
	enum status status;
	int is_stub = 0;

	TRY(rte_swx_ctl_table_info_get(program->swx, id, &info));
	memcpy(table->name, info.name, sizeof(table->name));
	memcpy(table->args, info.args, sizeof(table->args));
	table->state = id;
	table->n_fields = info.n_match_fields;
	table->n_actions = info.n_actions;
	table->default_is_const = info.default_action_is_const;
	table->params.hash_func = info.hash_func;
	table->params.n_keys_max = info.size;
	table->fields = array(table->n_fields, sizeof(struct field));
	table->actions = array(table->n_actions, sizeof(struct action_use));
	if (!table->fields || !table->actions)
		return out_of_memory(fault);
	for (uint32_t i = 0; i < table->n_actions; i++) {
		struct rte_swx_ctl_table_action_info action;

		TRY(rte_swx_ctl_table_action_info_get(program->swx, id, i, &action));
		use_action(program, table, i, &action);
	}
	for (uint32_t i = 0; i < table->n_fields; i++) {
		struct rte_swx_ctl_table_match_field_info field;

		TRY(rte_swx_ctl_table_match_field_info_get(program->swx, id, i, &field));
		describe_field(table, i, &field);
	}
	TRY(rte_swx_ctl_table_ops_get(program->swx, id, &table->ops, &is_stub));
	table->is_stub = is_stub;
	status = describe_key(table, fault);
	if (status != STATUS_OK || is_stub)
		return status;
	if (table->ops.mailbox_size_get)
		mailbox = table->ops.mailbox_size_get();
	table->mailbox = array((uint32_t)mailbox, 1);
	table->keys.key_size = table->params.key_size;
	/* Exact fields that are not next to each other make a wildcard table, too. */
	if (!table->ops.add) {
		table->params.match_type = RTE_SWX_TABLE_MATCH_WILDCARD;
		table->rules = rules_create(table->params.n_keys_max);
	}
	return table->mailbox && (table->ops.add || table->rules) ? STATUS_OK : out_of_memory(fault);
}

static enum status
describe_learner(struct program *program, uint32_t id, struct fault *fault)
{
	struct table *learner = &program->learners[id];
	struct rte_swx_ctl_learner_info info;

	TRY(rte_swx_ctl_learner_info_get(program->swx, id, &info));
	memcpy(learner->name, info.name, sizeof(learner->name));
	learner->state = program->n_tables + program->n_selectors + id;
	learner->n_fields = info.n_match_fields;
	learner->n_actions = info.n_actions;
	learner->default_is_const = info.default_action_is_const;
	learner->params.n_keys_max = info.size;
	learner->n_timeouts = info.n_key_timeouts;
	learner->fields = array(learner->n_fields, sizeof(struct field));
	learner->actions = array(learner->n_actions, sizeof(struct action_use));
	if (!learner->fields || !learner->actions)
		return out_of_memory(fault);
	for (uint32_t i = 0; i < learner->n_actions; i++) {
		struct rte_swx_ctl_table_action_info action;

		TRY(rte_swx_ctl_learner_action_info_get(program->swx, id, i, &action));
		use_action(program, learner, i, &action);
	}
	for (uint32_t i = 0; i < learner->n_fields; i++) {
		struct rte_swx_ctl_table_match_field_info field;

		TRY(rte_swx_ctl_learner_match_field_info_get(program->swx, id, i, &field));
		describe_field(learner, i, &field);
	}
	if (describe_key(learner, fault) != STATUS_OK)
		return STATUS_FAILED;
	learner->mailbox = array((uint32_t)rte_swx_table_learner_mailbox_size_get(), 1);
	return learner->mailbox ? STATUS_OK : out_of_memory(fault);
}

static enum status
describe_selector(struct program *program, uint32_t id, struct fault *fault)
{
	struct selector *selector = &program->selectors[id];
	struct rte_swx_ctl_selector_info info;

	TRY(rte_swx_ctl_selector_info_get(program->swx, id, &info));
	memcpy(selector->name, info.name, sizeof(selector->name));
	selector->state = program->n_tables + id;
	selector->n_groups = info.n_groups_max;
	selector->n_slots = info.n_members_per_group_max;
	selector->groups = array(info.n_groups_max, sizeof(struct group *));
	return selector->groups ? STATUS_OK : out_of_memory(fault);
}

enum status
describe_selector_copy(struct program *program, uint32_t id, struct fault *fault)
{
	const struct selector *selector = &program->selectors[id];
	struct rte_swx_ctl_table_match_field_info field;
	struct rte_swx_table_selector_params params = {
		.n_groups_max = selector->n_groups,
		.n_members_per_group_max = selector->n_slots,
	};
	struct rte_swx_table_state *staged = &program->staged[selector->state];
	uint32_t first = UINT32_MAX, end = 0, n_fields;
	struct rte_swx_ctl_selector_info info;
	uint8_t *mask;

	TRY(rte_swx_ctl_selector_info_get(program->swx, id, &info));
	n_fields = info.n_selector_fields;
	TRY(rte_swx_ctl_selector_group_id_field_info_get(program->swx, id, &field));
	params.group_id_offset = field.offset / 8;
	TRY(rte_swx_ctl_selector_member_id_field_info_get(program->swx, id, &field));
	params.member_id_offset = field.offset / 8;
	for (uint32_t i = 0; i < n_fields; i++) {
		TRY(rte_swx_ctl_selector_field_info_get(program->swx, id, i, &field));
		if (field.offset / 8 < first)
			first = field.offset / 8;
		if ((field.offset + field.n_bits) / 8 > end)
			end = (field.offset + field.n_bits) / 8;
	}
	mask = array(end - first, 1);
	if (!mask)
		return out_of_memory(fault);
	for (uint32_t i = 0; i < n_fields; i++) {
		rte_swx_ctl_selector_field_info_get(program->swx, id, i, &field);
		memset(&mask[field.offset / 8 - first], 0xff, field.n_bits / 8);
	}
	params.selector_offset = first;
	params.selector_size = end - first;
	params.selector_mask = mask;
	*staged = program->live[selector->state];
	staged->obj = rte_swx_table_selector_create(&params, NULL, program->node);
	free(mask);
	return staged->obj ? STATUS_OK
			   : fault_set(fault, STATUS_NO_SPACE, "no memory for a second copy of selector %s",
				       selector->name);
}

enum status
describe_program(struct program *program, struct fault *fault)
{
	struct rte_swx_ctl_pipeline_info info;
	enum status status = STATUS_OK;

	TRY(rte_swx_ctl_pipeline_info_get(program->swx, &info));
	program->n_actions = info.n_actions;
	program->n_tables = info.n_tables;
	program->n_selectors = info.n_selectors;
	program->n_learners = info.n_learners;
	program->n_registers = info.n_regarrays;
	program->actions = array(info.n_actions, sizeof(struct action));
	program->tables = array(info.n_tables, sizeof(struct table));
	program->selectors = array(info.n_selectors, sizeof(struct selector));
	program->learners = array(info.n_learners, sizeof(struct table));
	program->registers = array(info.n_regarrays, sizeof(struct register_array));
	if (!program->actions || !program->tables || !program->selectors || !program->learners || !program->registers)
		return out_of_memory(fault);
	for (uint32_t i = 0; status == STATUS_OK && i < info.n_actions; i++)
		status = describe_action(program, i, fault);
	for (uint32_t i = 0; status == STATUS_OK && i < info.n_tables; i++)
		status = describe_table(program, i, fault);
	for (uint32_t i = 0; status == STATUS_OK && i < info.n_learners; i++)
		status = describe_learner(program, i, fault);
	for (uint32_t i = 0; status == STATUS_OK && i < info.n_selectors; i++)
		status = describe_selector(program, i, fault);
	for (uint32_t i = 0; status == STATUS_OK && i < info.n_regarrays; i++) {
		struct rte_swx_ctl_regarray_info array_info;

		TRY(rte_swx_ctl_regarray_info_get(program->swx, i, &array_info));
		memcpy(program->registers[i].name, array_info.name, NAME_SIZE);
		program->registers[i].size = array_info.size;
	}
	return status == STATUS_OK ? meters_describe(&program->meters, program->swx, info.n_metarrays, fault) : status;
}
