#include "transaction.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "change.h"

static enum status
out_of_memory(struct fault *fault)
{
	return fault_set(fault, STATUS_FAILED, "no memory for the change");
}

static struct change *
append(struct transaction *transaction, enum change_kind kind)
{
	struct change *change;

	if (transaction->count == transaction->capacity) {
		size_t capacity = transaction->capacity ? transaction->capacity * 2 : 64;
		struct change *changes = realloc(transaction->changes, capacity * sizeof(*changes));

		if (!changes)
			return NULL;
		transaction->changes = changes;
		transaction->capacity = capacity;
	}
	change = &transaction->changes[transaction->count++];
	memset(change, 0, sizeof(*change));
	change->kind = kind;
	return change;
}

/* Finds an entry of an exact table in DPDK's own table. */
static bool
look_up(struct table *table, void *object, const uint8_t *key, uint64_t *action, uint8_t **data, size_t *index)
{
	/* A look-up adds the offset that keys have within a packet's data. */
	uint8_t *base = (uint8_t *)(uintptr_t)key - table->params.key_offset;
	int hit = 0;

	while (!table->ops.lkp(object, table->mailbox, &base, action, data, index, &hit))
		;
	return hit;
}

bool
table_entry(struct table *table, const struct rte_swx_table_state *state, const uint8_t *key, uint64_t *action,
	    uint8_t **data)
{
	size_t index;

	return look_up(table, state[table->state].obj, key, action, data, &index);
}

uint32_t
table_entry_index(struct table *table, const struct rte_swx_table_state *state, const uint8_t *key)
{
	uint64_t action;
	uint8_t *data;
	size_t index = 0;

	return look_up(table, state[table->state].obj, key, &action, &data, &index) ? (uint32_t)index + 1 : 0;
}

int
put_entry(struct table *table, void *object, uint8_t *key, const struct call *call)
{
	struct rte_swx_table_entry entry = {
		.key = key,
		.action_id = call->action,
		.action_data = call->data,
	};

	return call->present ? table->ops.add(object, &entry) : table->ops.del(object, &entry);
}

int
put_staged_entry(struct table *table, void *object, uint8_t *key, const struct call *call)
{
	uint64_t action;
	uint8_t *data;
	size_t place;
	int error;

	if (!call->present && look_up(table, object, key, &action, &data, &place))
		keys_clear(&table->keys, place);
	error = put_entry(table, object, key, call);
	if (error || !call->present || !look_up(table, object, key, &action, &data, &place))
		return error;
	if (keys_set(&table->keys, place, key))
		return 0;
	table->ops.del(object, &(struct rte_swx_table_entry){.key = key});
	return -ENOMEM;
}

static enum status
change_entry(struct transaction *transaction, struct table *table, const uint8_t *key, const struct call *after,
	     struct fault *fault)
{
	void *object = transaction->program->staged[table->state].obj;
	uint32_t key_size = table->params.key_size, data_size = table->params.action_data_size;
	uint64_t action = 0;
	uint8_t *data = NULL, *bytes;
	size_t index = 0;
	bool present = look_up(table, object, key, &action, &data, &index);
	struct change *change;
	int error;

	if (!present && !after->present)
		return STATUS_OK;
	bytes = malloc(key_size + 2 * (size_t)data_size);
	change = bytes ? append(transaction, CHANGE_ENTRY) : NULL;
	if (!change) {
		free(bytes);
		return out_of_memory(fault);
	}
	change->entry.table = table;
	change->entry.bytes = bytes;
	memcpy(bytes, key, key_size);
	change->entry.before = (struct call){present, action, &bytes[key_size]};
	change->entry.after = (struct call){after->present, after->action, &bytes[key_size + data_size]};
	if (data_size && present)
		memcpy(change->entry.before.data, data, data_size);
	if (data_size && after->present)
		memcpy(change->entry.after.data, after->data, data_size);
	error = put_staged_entry(table, object, bytes, &change->entry.after);
	if (error) {
		transaction->count--;
		free(bytes);
		return fault_set(fault, STATUS_NO_SPACE, "table %s is full: it has %u of %u entries", table->name,
				 table->entries, table->params.n_keys_max);
	}
	table->entries += (uint32_t)after->present - (uint32_t)present;
	return STATUS_OK;
}

void
swap_note(struct notes *notes, struct note *out, struct note *in)
{
	if (out)
		notes_remove(notes, out);
	if (in)
		notes_insert(notes, in);
}

void
swap_rule(struct table *table, struct rule *out, struct rule *in)
{
	if (out)
		rules_remove(table->rules, out);
	if (in)
		rules_insert(table->rules, in);
	table->entries = rules_count(table->rules);
}

static enum status
change_rule(struct transaction *transaction, struct table *table, struct rule *before, struct rule *after,
	    struct fault *fault)
{
	struct change *change;

	if (!before && !after)
		return STATUS_OK;
	if (!before && table->entries >= table->params.n_keys_max) {
		rule_free(after);
		return fault_set(fault, STATUS_NO_SPACE, "table %s is full: it has %u entries", table->name,
				 table->entries);
	}
	change = append(transaction, CHANGE_RULE);
	if (!change) {
		rule_free(after);
		return out_of_memory(fault);
	}
	change->rule.table = table;
	change->rule.before = before;
	change->rule.after = after;
	swap_rule(table, before, after);
	return STATUS_OK;
}

enum status
transaction_set(struct transaction *transaction, struct table *table, const uint8_t *key, const uint8_t *mask,
		uint32_t priority, uint32_t action, const uint8_t *data, struct fault *fault)
{
	struct call after = {true, action, (uint8_t *)(uintptr_t)data};
	struct rule *rule;

	if (!table->rules)
		return change_entry(transaction, table, key, &after, fault);
	rule = rule_create(&table->params, key, mask, priority, action, data);
	if (!rule)
		return out_of_memory(fault);
	return change_rule(transaction, table, rules_find(table->rules, &table->params, key, mask, priority), rule,
			   fault);
}

enum status
transaction_delete(struct transaction *transaction, struct table *table, const uint8_t *key, const uint8_t *mask,
		   uint32_t priority, struct fault *fault)
{
	struct call after = {0};

	if (!table->rules)
		return change_entry(transaction, table, key, &after, fault);
	return change_rule(transaction, table, rules_find(table->rules, &table->params, key, mask, priority), NULL,
			   fault);
}

void
put_default(struct table *table, struct rte_swx_table_state *states, const struct call *call)
{
	struct rte_swx_table_state *state = &states[table->state];

	state->default_action_id = call->action;
	if (table->params.action_data_size)
		memcpy(state->default_action_data, call->data, table->params.action_data_size);
}

enum status
transaction_set_default(struct transaction *transaction, struct table *table, uint32_t action, const uint8_t *data,
			struct fault *fault)
{
	struct rte_swx_table_state *state = &transaction->program->staged[table->state];
	uint32_t size = table->params.action_data_size;
	uint8_t *bytes = calloc(2, size ? size : 1);
	struct change *change = bytes ? append(transaction, CHANGE_DEFAULT) : NULL;

	if (!change) {
		free(bytes);
		return out_of_memory(fault);
	}
	change->entry.table = table;
	change->entry.bytes = bytes;
	change->entry.before = (struct call){true, state->default_action_id, bytes};
	change->entry.after = (struct call){true, action, &bytes[size]};
	if (size) {
		memcpy(bytes, state->default_action_data, size);
		memcpy(&bytes[size], data, size);
	}
	put_default(table, transaction->program->staged, &change->entry.after);
	return STATUS_OK;
}

enum status
transaction_set_group(struct transaction *transaction, struct selector *selector, uint32_t id,
		      const struct member *members, uint32_t count, struct fault *fault)
{
	void *object = transaction->program->staged[selector->state].obj;
	struct change *change;
	struct group *group;
	int error;

	if (id >= selector->n_groups)
		return fault_set(fault, STATUS_BAD_REQUEST, "selector %s: group %u is not in 0..%u", selector->name, id,
				 selector->n_groups - 1);
	group = count ? group_create(members, count) : NULL;
	if (count && !group)
		return out_of_memory(fault);
	change = append(transaction, CHANGE_GROUP);
	if (!change) {
		group_free(group);
		return out_of_memory(fault);
	}
	error = group_put(object, id, group);
	if (error) {
		transaction->count--;
		group_free(group);
		return fault_set(fault, STATUS_NO_SPACE,
				 "selector %s: group %u is refused (%s): it has %u slots, members are 0..%u with weights "
				 "from 1, each once",
				 selector->name, id, strerror(-error), selector->n_slots, selector->n_slots - 1);
	}
	change->group.selector = selector;
	change->group.id = id;
	change->group.before = selector->groups[id];
	change->group.after = group;
	selector->groups[id] = group;
	return STATUS_OK;
}

static enum status
check_register(const struct program *program, uint32_t array, struct fault *fault)
{
	if (array < program->n_registers)
		return STATUS_OK;
	return fault_set(fault, STATUS_NOT_FOUND, "no register array %u", array);
}

enum status
transaction_write_register(struct transaction *transaction, uint32_t array, uint32_t index, uint64_t value,
			   struct fault *fault)
{
	const struct program *program = transaction->program;
	enum status status = check_register(program, array, fault);
	struct change *change;

	if (status != STATUS_OK)
		return status;
	if (index >= program->registers[array].size)
		return fault_set(fault, STATUS_BAD_REQUEST, "register array %s: %u is not in 0..%u",
				 program->registers[array].name, index, program->registers[array].size - 1);
	change = append(transaction, CHANGE_REGISTER);
	if (!change)
		return out_of_memory(fault);
	change->cell.array = array;
	change->cell.index = index;
	change->cell.value = value;
	return STATUS_OK;
}

enum status
transaction_write_counter(struct transaction *transaction, uint32_t array, struct table *table, const uint8_t *key,
			  uint64_t value, struct fault *fault)
{
	enum status status = check_register(transaction->program, array, fault);
	struct change *change;
	uint8_t *copy;

	if (status != STATUS_OK)
		return status;
	copy = malloc(table->params.key_size);
	change = copy ? append(transaction, CHANGE_COUNTER) : NULL;
	if (!change) {
		free(copy);
		return out_of_memory(fault);
	}
	memcpy(copy, key, table->params.key_size);
	change->cell.array = array;
	change->cell.value = value;
	change->cell.table = table;
	change->cell.key = copy;
	return STATUS_OK;
}

enum status
transaction_set_timeout(struct transaction *transaction, uint32_t learner, uint32_t index, uint32_t seconds,
			struct fault *fault)
{
	const struct program *program = transaction->program;
	struct change *change;

	if (learner >= program->n_learners)
		return fault_set(fault, STATUS_NOT_FOUND, "no learner %u", learner);
	if (index >= program->learners[learner].n_timeouts || seconds == 0)
		return fault_set(fault, STATUS_BAD_REQUEST, "learner %s: timeouts are 0..%u, of a second or more",
				 program->learners[learner].name, program->learners[learner].n_timeouts - 1);
	change = append(transaction, CHANGE_TIMEOUT);
	if (!change)
		return out_of_memory(fault);
	change->timeout.learner = learner;
	change->timeout.index = index;
	change->timeout.seconds = seconds;
	return STATUS_OK;
}

enum status
transaction_forget(struct transaction *transaction, const struct table *learner, const uint8_t *key,
		   struct fault *fault)
{
	/* Look-ups read keys in larger steps than their length. */
	uint8_t *copy = calloc(1, LEARNED_KEY_MAX);
	struct change *change = copy ? append(transaction, CHANGE_FORGET) : NULL;

	if (!change) {
		free(copy);
		return out_of_memory(fault);
	}
	memcpy(copy, key, learner->params.key_size);
	change->forget.learner = learner;
	change->forget.key = copy;
	return STATUS_OK;
}

enum status
transaction_set_meter(struct transaction *transaction, uint32_t array, uint32_t index,
		      struct rte_meter_trtcm_params *params, struct fault *fault)
{
	struct program *program = transaction->program;
	enum status status = meters_check(&program->meters, array, index, fault);
	struct meter_profile *profile = NULL;
	struct change *change;

	if (status == STATUS_OK && params)
		status = meters_take_profile(&program->meters, program->swx, params, &profile, fault);
	if (status != STATUS_OK)
		return status;
	change = append(transaction, CHANGE_METER);
	if (!change) {
		meters_leave_profile(&program->meters, program->swx, profile);
		return out_of_memory(fault);
	}
	change->meter.array = array;
	change->meter.index = index;
	change->meter.profile = profile;
	return STATUS_OK;
}

enum status
transaction_clear_meter(struct transaction *transaction, uint32_t array, uint32_t index, struct fault *fault)
{
	enum status status = meters_check(&transaction->program->meters, array, index, fault);
	struct change *change;

	if (status != STATUS_OK)
		return status;
	change = append(transaction, CHANGE_METER_COUNTS);
	if (!change)
		return out_of_memory(fault);
	change->meter.array = array;
	change->meter.index = index;
	return STATUS_OK;
}

enum status
transaction_set_note(struct transaction *transaction, const uint8_t *key, uint16_t key_length, const uint8_t *value,
		     uint32_t length, struct fault *fault)
{
	struct notes *notes = transaction->notes;
	struct note *before = notes_find(notes, key, key_length);
	struct note *after = length ? note_create(key, key_length, value, length) : NULL;
	struct change *change;

	if (!before && !length)
		return STATUS_OK;
	change = (after || !length) && notes_reserve(notes) ? append(transaction, CHANGE_NOTE) : NULL;
	if (!change) {
		note_free(after);
		return out_of_memory(fault);
	}
	change->note.before = before;
	change->note.after = after;
	swap_note(notes, before, after);
	return STATUS_OK;
}
