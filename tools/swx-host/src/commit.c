/* The end of transactions: taking changes back, and making them live. */

#include <stdlib.h>
#include <string.h>

#include <rte_debug.h>

#include "change.h"

size_t
transaction_mark(const struct transaction *transaction)
{
	return transaction->count;
}

/* What worked once on one copy of a table cannot fail when it is taken back, or repeated on the other copy. */
static void
must(int error)
{
	if (error)
		rte_panic("the two copies of a table differ: %s\n", strerror(-error));
}

static void
undo_change(struct transaction *transaction, struct change *change)
{
	struct program *program = transaction->program;

	switch (change->kind) {
	case CHANGE_ENTRY: {
		struct table *table = change->entry.table;

		must(put_staged_entry(table, program->staged[table->state].obj, change->entry.bytes,
				      &change->entry.before));
		table->entries += (uint32_t)change->entry.before.present - (uint32_t)change->entry.after.present;
		free(change->entry.bytes);
		break;
	}
	case CHANGE_RULE:
		swap_rule(change->rule.table, change->rule.after, change->rule.before);
		rule_free(change->rule.after);
		break;
	case CHANGE_DEFAULT:
		put_default(change->entry.table, program->staged, &change->entry.before);
		free(change->entry.bytes);
		break;
	case CHANGE_GROUP: {
		struct selector *selector = change->group.selector;

		must(group_put(program->staged[selector->state].obj, change->group.id, change->group.before));
		selector->groups[change->group.id] = change->group.before;
		group_free(change->group.after);
		break;
	}
	case CHANGE_COUNTER:
		free(change->cell.key);
		break;
	case CHANGE_FORGET:
		free(change->forget.key);
		break;
	case CHANGE_NOTE:
		swap_note(transaction->notes, change->note.after, change->note.before);
		note_free(change->note.after);
		break;
	case CHANGE_METER:
		meters_leave_profile(&program->meters, program->swx, change->meter.profile);
		break;
	case CHANGE_METER_COUNTS:
	case CHANGE_REGISTER:
	case CHANGE_TIMEOUT:
		break;
	}
}

void
transaction_undo(struct transaction *transaction, size_t mark)
{
	/* In reverse, so that DPDK gives each entry the place that it had. */
	while (transaction->count > mark)
		undo_change(transaction, &transaction->changes[--transaction->count]);
}

/* Repeats a change on the copy that packets do not see any more, and forgets it. */
static void
finish_change(struct transaction *transaction, struct change *change)
{
	struct program *program = transaction->program;

	switch (change->kind) {
	case CHANGE_ENTRY: {
		struct table *table = change->entry.table;

		must(put_entry(table, program->staged[table->state].obj, change->entry.bytes, &change->entry.after));
		free(change->entry.bytes);
		break;
	}
	case CHANGE_RULE:
		rule_free(change->rule.before);
		break;
	case CHANGE_DEFAULT:
		put_default(change->entry.table, program->staged, &change->entry.after);
		free(change->entry.bytes);
		break;
	case CHANGE_GROUP: {
		struct selector *selector = change->group.selector;

		must(group_put(program->staged[selector->state].obj, change->group.id, change->group.after));
		group_free(change->group.before);
		break;
	}
	case CHANGE_COUNTER:
		free(change->cell.key);
		break;
	case CHANGE_FORGET:
		free(change->forget.key);
		break;
	case CHANGE_NOTE:
		note_free(change->note.before);
		break;
	case CHANGE_METER:
	case CHANGE_METER_COUNTS:
	case CHANGE_REGISTER:
	case CHANGE_TIMEOUT:
		break;
	}
}

/* What has no second copy: done while no packet is on its way. */
static void
write_cells(struct transaction *transaction)
{
	struct program *program = transaction->program;

	for (size_t i = 0; i < transaction->count; i++) {
		const struct change *change = &transaction->changes[i];
		uint32_t index = change->kind == CHANGE_REGISTER ? change->cell.index : 0;

		if (change->kind == CHANGE_FORGET)
			learned_forget(program, change->forget.learner, change->forget.key);
		if (change->kind == CHANGE_TIMEOUT)
			(void)rte_swx_ctl_pipeline_learner_timeout_set(program->swx, change->timeout.learner,
								       change->timeout.index, change->timeout.seconds);
		if (change->kind == CHANGE_METER)
			meters_set(&program->meters, program->swx, change->meter.array, change->meter.index,
				   change->meter.profile);
		if (change->kind == CHANGE_METER_COUNTS)
			meters_clear(&program->meters, program->swx, change->meter.array, change->meter.index);
		if (change->kind == CHANGE_COUNTER)
			index = table_entry_index(change->cell.table, program->staged, change->cell.key);
		if (change->kind == CHANGE_REGISTER || (change->kind == CHANGE_COUNTER && index))
			(void)rte_swx_ctl_pipeline_regarray_write(
				program->swx, program->registers[change->cell.array].name, index, change->cell.value);
	}
}

static void
drop_rebuilt(struct program *program)
{
	for (uint32_t i = 0; i < program->n_tables; i++) {
		struct table *table = &program->tables[i];

		if (table->rules && program->staged[i].obj != program->live[i].obj) {
			table->ops.free(program->staged[i].obj);
			program->staged[i].obj = program->live[i].obj;
		}
	}
}

static enum status
rebuild_tables(struct transaction *transaction, struct fault *fault)
{
	struct program *program = transaction->program;

	for (size_t i = 0; i < transaction->count; i++) {
		const struct change *change = &transaction->changes[i];
		struct table *table = change->rule.table;
		struct rte_swx_table_entry_list *list;
		void *object;

		if (change->kind != CHANGE_RULE || program->staged[table->state].obj != program->live[table->state].obj)
			continue;
		list = rules_ranked(table->rules);
		object = list ? table->ops.create(&table->params, list, table->args, program->node) : NULL;
		if (!object) {
			drop_rebuilt(program);
			return fault_set(fault, STATUS_NO_SPACE,
					 "table %s cannot be built with %u entries: no memory, or too complex for rte_acl",
					 table->name, table->entries);
		}
		program->staged[table->state].obj = object;
	}
	return STATUS_OK;
}

enum status
transaction_commit(struct transaction *transaction, struct fault *fault)
{
	struct program *program = transaction->program;
	struct rte_swx_table_state *states;
	enum status status;

	if (!transaction->count)
		return STATUS_OK;
	status = rebuild_tables(transaction, fault);
	if (status != STATUS_OK) {
		transaction_undo(transaction, 0);
		return status;
	}
	worker_pause(transaction->worker);
	rte_swx_pipeline_table_state_set(program->swx, program->staged);
	write_cells(transaction);
	worker_resume(transaction->worker);
	states = program->live;
	program->live = program->staged;
	program->staged = states;
	drop_rebuilt(program);
	for (size_t i = 0; i < transaction->count; i++)
		finish_change(transaction, &transaction->changes[i]);
	transaction->count = 0;
	return STATUS_OK;
}
