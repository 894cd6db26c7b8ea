/* Requests about tables: what there is, changes, registers. */

#include <string.h>

#include "layout.h"
#include "requests.h"
#include "session.h"

/* The largest key, action data and group of any program are far below. */
#define BYTES_MAX 1024
#define MEMBERS_MAX 4096
#define BATCH_COMMIT 1

enum change_code {
	CODE_SET = 1,
	CODE_DELETE = 2,
	CODE_DEFAULT = 3,
	CODE_LEARNER_DEFAULT = 4,
	CODE_GROUP = 5,
	CODE_REGISTER = 6,
	CODE_COUNTER = 7,
	CODE_TIMEOUT = 8,
	CODE_NOTE = 9,
	CODE_FORGET = 10,
	CODE_METER = 11,
	CODE_METER_COUNTS = 12,
};

/* A key as it is in messages. */
struct key {
	uint8_t bytes[BYTES_MAX];
	uint8_t mask[BYTES_MAX];
	uint32_t priority;
};

static void
describe_table(const struct table *table, struct writer *out)
{
	write_text(out, table->name);
	write_u8(out, table->is_exact);
	write_u8(out, table->is_stub);
	write_u8(out, table->default_is_const);
	write_u32(out, table->params.n_keys_max);
	write_u16(out, (uint16_t)table->n_fields);
	for (uint32_t i = 0; i < table->n_fields; i++)
		write_u16(out, (uint16_t)table->fields[i].bytes);
	write_u16(out, (uint16_t)table->n_actions);
	for (uint32_t i = 0; i < table->n_actions; i++)
		write_u16(out, (uint16_t)table->actions[i].action);
	write_u16(out, (uint16_t)table->n_timeouts);
}

enum status
request_describe(struct host *host, struct writer *out)
{
	const struct program *program = &host->program;

	write_u16(out, (uint16_t)program->n_actions);
	for (uint32_t i = 0; i < program->n_actions; i++) {
		const struct action *action = &program->actions[i];

		write_text(out, action->name);
		write_u16(out, (uint16_t)action->n_arguments);
		for (uint32_t j = 0; j < action->n_arguments; j++)
			write_u16(out, (uint16_t)action->arguments[j].bytes);
	}
	write_u16(out, (uint16_t)program->n_tables);
	for (uint32_t i = 0; i < program->n_tables; i++)
		describe_table(&program->tables[i], out);
	write_u16(out, (uint16_t)program->n_learners);
	for (uint32_t i = 0; i < program->n_learners; i++)
		describe_table(&program->learners[i], out);
	write_u16(out, (uint16_t)program->n_selectors);
	for (uint32_t i = 0; i < program->n_selectors; i++) {
		write_text(out, program->selectors[i].name);
		write_u32(out, program->selectors[i].n_groups);
		write_u32(out, program->selectors[i].n_slots);
	}
	write_u16(out, (uint16_t)program->n_registers);
	for (uint32_t i = 0; i < program->n_registers; i++) {
		write_text(out, program->registers[i].name);
		write_u32(out, program->registers[i].size);
	}
	write_u16(out, (uint16_t)program->meters.count);
	for (uint32_t i = 0; i < program->meters.count; i++) {
		write_text(out, program->meters.arrays[i].name);
		write_u32(out, program->meters.arrays[i].size);
	}
	return STATUS_OK;
}

static enum status
find_table(const struct program *program, uint32_t id, struct table **table, struct fault *fault)
{
	if (id >= program->n_tables)
		return fault_set(fault, STATUS_NOT_FOUND, "no table %u", id);
	*table = &program->tables[id];
	return STATUS_OK;
}

static enum status
read_key(struct reader *in, const struct table *table, struct key *key, struct fault *fault)
{
	if (table->is_stub)
		return fault_set(fault, STATUS_BAD_REQUEST, "table %s has no key, only a default action", table->name);
	if (table->params.key_size > BYTES_MAX)
		return fault_set(fault, STATUS_UNSUPPORTED, "table %s: keys of %u bytes", table->name,
				 table->params.key_size);
	key->priority = 0;
	layout_key(in, table, key->bytes);
	memcpy(key->mask, table->params.key_mask0, table->params.key_size);
	if (!table->is_exact) {
		layout_key(in, table, key->mask);
		for (uint32_t i = 0; i < table->params.key_size; i++)
			key->bytes[i] &= key->mask[i];
		key->priority = read_u32(in);
	}
	return in->short_read ? request_too_short(fault) : STATUS_OK;
}

static enum status
read_call(struct reader *in, const struct program *program, const struct table *table, bool is_default,
	  uint32_t *action, uint8_t *data, struct fault *fault)
{
	const struct action_use *use = NULL;

	*action = read_u16(in);
	for (uint32_t i = 0; i < table->n_actions && !use; i++)
		if (table->actions[i].action == *action)
			use = &table->actions[i];
	if (!use || !(is_default ? use->in_default : use->in_entries))
		return fault_set(fault, STATUS_BAD_REQUEST, "table %s has no action %u for %s", table->name, *action,
				 is_default ? "its default" : "entries");
	if (table->params.action_data_size > BYTES_MAX)
		return fault_set(fault, STATUS_UNSUPPORTED, "table %s: actions with %u bytes", table->name,
				 table->params.action_data_size);
	memset(data, 0, table->params.action_data_size);
	layout_arguments(in, &program->actions[*action], data);
	return in->short_read ? request_too_short(fault) : STATUS_OK;
}

static enum status
change_entry(struct host *host, struct reader *in, bool set, struct fault *fault)
{
	struct transaction *transaction = &host->transaction;
	uint8_t data[BYTES_MAX];
	struct table *table = NULL;
	struct key key;
	uint32_t action;
	enum status status = find_table(&host->program, read_u16(in), &table, fault);

	if (status == STATUS_OK)
		status = read_key(in, table, &key, fault);
	if (status == STATUS_OK && !set)
		return transaction_delete(transaction, table, key.bytes, key.mask, key.priority, fault);
	if (status == STATUS_OK)
		status = read_call(in, &host->program, table, false, &action, data, fault);
	if (status == STATUS_OK)
		status = transaction_set(transaction, table, key.bytes, key.mask, key.priority, action, data, fault);
	return status;
}

static enum status
change_default(struct host *host, struct reader *in, bool is_learner, struct fault *fault)
{
	const struct program *program = &host->program;
	uint8_t data[BYTES_MAX];
	uint32_t action, id = read_u16(in);
	struct table *table = NULL;
	enum status status;

	if (id >= (is_learner ? program->n_learners : program->n_tables))
		return fault_set(fault, STATUS_NOT_FOUND, "no %s %u", is_learner ? "learner" : "table", id);
	table = is_learner ? &program->learners[id] : &program->tables[id];
	if (table->default_is_const)
		return fault_set(fault, STATUS_BAD_REQUEST, "the default action of %s is constant", table->name);
	status = read_call(in, program, table, true, &action, data, fault);
	return status == STATUS_OK ? transaction_set_default(&host->transaction, table, action, data, fault) : status;
}

static enum status
change_group(struct host *host, struct reader *in, struct fault *fault)
{
	static struct member members[MEMBERS_MAX];
	uint32_t selector = read_u16(in), group = read_u32(in), count = read_u16(in);

	if (selector >= host->program.n_selectors)
		return fault_set(fault, STATUS_NOT_FOUND, "no selector %u", selector);
	if (count > MEMBERS_MAX)
		return fault_set(fault, STATUS_NO_SPACE, "a group of %u members: %u is the limit", count, MEMBERS_MAX);
	for (uint32_t i = 0; i < count; i++) {
		members[i].id = read_u32(in);
		members[i].weight = read_u32(in);
	}
	if (in->short_read)
		return request_too_short(fault);
	return transaction_set_group(&host->transaction, &host->program.selectors[selector], group, members, count,
				     fault);
}

static enum status
change_register(struct host *host, struct reader *in, struct fault *fault)
{
	uint32_t array = read_u16(in), index = read_u32(in);
	uint64_t value = read_u64(in);

	return in->short_read ? request_too_short(fault)
			      : transaction_write_register(&host->transaction, array, index, value, fault);
}

static enum status
find_counted(struct host *host, uint32_t id, struct table **table, struct fault *fault)
{
	enum status status = find_table(&host->program, id, table, fault);

	if (status == STATUS_OK && (*table)->rules)
		status = fault_set(fault, STATUS_UNSUPPORTED,
				   "table %s: entries of a wildcard table have no fixed place for direct counters",
				   (*table)->name);
	return status;
}

static enum status
change_counter(struct host *host, struct reader *in, struct fault *fault)
{
	uint32_t array = read_u16(in);
	struct table *table = NULL;
	struct key key;
	uint64_t value;
	enum status status = find_counted(host, read_u16(in), &table, fault);

	if (status == STATUS_OK)
		status = read_key(in, table, &key, fault);
	value = read_u64(in);
	if (status == STATUS_OK && in->short_read)
		status = request_too_short(fault);
	if (status == STATUS_OK)
		status = transaction_write_counter(&host->transaction, array, table, key.bytes, value, fault);
	return status;
}

static enum status
change_timeout(struct host *host, struct reader *in, struct fault *fault)
{
	uint32_t learner = read_u16(in), index = read_u16(in), seconds = read_u32(in);

	return in->short_read ? request_too_short(fault)
			      : transaction_set_timeout(&host->transaction, learner, index, seconds, fault);
}

static enum status
change_note(struct host *host, struct reader *in, struct fault *fault)
{
	uint16_t key_length = read_u16(in);
	const uint8_t *key = read_bytes(in, key_length);
	uint32_t length = read_u32(in);
	const uint8_t *value = read_bytes(in, length);

	return in->short_read ? request_too_short(fault)
			      : transaction_set_note(&host->transaction, key, key_length, value, length, fault);
}

static enum status
change_forget(struct host *host, struct reader *in, struct fault *fault)
{
	uint32_t id = read_u16(in);
	struct key key;
	enum status status;

	if (id >= host->program.n_learners)
		return fault_set(fault, STATUS_NOT_FOUND, "no learner %u", id);
	status = learned_check_key(&host->program.learners[id], fault);
	if (status == STATUS_OK)
		status = read_key(in, &host->program.learners[id], &key, fault);
	return status == STATUS_OK ? transaction_forget(&host->transaction, &host->program.learners[id], key.bytes, fault)
				   : status;
}

static enum status
change(struct host *host, struct reader *in, struct fault *fault)
{
	uint8_t code = read_u8(in);

	if (in->short_read)
		return request_too_short(fault);
	switch ((enum change_code)code) {
	case CODE_SET:
		return change_entry(host, in, true, fault);
	case CODE_DELETE:
		return change_entry(host, in, false, fault);
	case CODE_DEFAULT:
		return change_default(host, in, false, fault);
	case CODE_LEARNER_DEFAULT:
		return change_default(host, in, true, fault);
	case CODE_GROUP:
		return change_group(host, in, fault);
	case CODE_REGISTER:
		return change_register(host, in, fault);
	case CODE_COUNTER:
		return change_counter(host, in, fault);
	case CODE_TIMEOUT:
		return change_timeout(host, in, fault);
	case CODE_NOTE:
		return change_note(host, in, fault);
	case CODE_FORGET:
		return change_forget(host, in, fault);
	case CODE_METER:
		return request_change_meter(host, in, fault);
	case CODE_METER_COUNTS:
		return request_change_meter_counts(host, in, fault);
	}
	return fault_set(fault, STATUS_BAD_REQUEST, "no change %u", code);
}

static enum status
own(struct host *host, const struct session *session, struct fault *fault)
{
	if (host->owner && host->owner != session)
		return fault_set(fault, STATUS_BUSY, "another client has staged changes and not committed them yet");
	host->owner = session;
	return STATUS_OK;
}

enum status
request_batch(struct host *host, struct session *session, struct reader *in, struct fault *fault)
{
	size_t mark = transaction_mark(&host->transaction);
	uint8_t flags = read_u8(in);
	uint32_t count = read_u32(in);
	enum status status = own(host, session, fault);
	struct fault reason = {.text = ""};

	if (status != STATUS_OK)
		return status;
	for (uint32_t i = 0; status == STATUS_OK && i < count; i++) {
		status = change(host, in, &reason);
		if (status != STATUS_OK)
			fault_set(fault, status, "change %u: %.200s", i, reason.text);
	}
	if (status == STATUS_OK)
		status = request_end(in, fault);
	if (status != STATUS_OK) {
		transaction_undo(&host->transaction, mark);
	} else if (flags & BATCH_COMMIT) {
		status = transaction_commit(&host->transaction, fault);
	}
	if (!transaction_mark(&host->transaction))
		host->owner = NULL;
	return status;
}

enum status
request_commit(struct host *host, struct session *session, struct fault *fault)
{
	enum status status = own(host, session, fault);

	if (status != STATUS_OK)
		return status;
	host->owner = NULL;
	return transaction_commit(&host->transaction, fault);
}

enum status
request_abort(struct host *host, struct session *session, struct fault *fault)
{
	enum status status = own(host, session, fault);

	if (status != STATUS_OK)
		return status;
	host->owner = NULL;
	transaction_undo(&host->transaction, 0);
	return STATUS_OK;
}

static enum status
write_cell(const struct program *program, uint32_t array, uint32_t index, struct writer *out, struct fault *fault)
{
	uint64_t value = 0;

	if (rte_swx_ctl_pipeline_regarray_read(program->swx, program->registers[array].name, index, &value))
		return fault_set(fault, STATUS_BAD_REQUEST, "register array %s: %u is not in 0..%u",
				 program->registers[array].name, index, program->registers[array].size - 1);
	write_u64(out, value);
	return STATUS_OK;
}

enum status
request_read_registers(struct host *host, struct reader *in, struct writer *out, struct fault *fault)
{
	uint32_t array = read_u16(in), first = read_u32(in), count = read_u32(in);
	enum status status = request_end(in, fault);

	if (status != STATUS_OK)
		return status;
	if (array >= host->program.n_registers)
		return fault_set(fault, STATUS_NOT_FOUND, "no register array %u", array);
	for (uint32_t i = 0; status == STATUS_OK && i < count; i++)
		status = write_cell(&host->program, array, first + i, out, fault);
	return status;
}

enum status
request_read_counters(struct host *host, struct reader *in, struct writer *out, struct fault *fault)
{
	const struct program *program = &host->program;
	uint32_t array = read_u16(in), count;
	struct table *table = NULL;
	struct key key;
	enum status status = find_counted(host, read_u16(in), &table, fault);

	count = read_u32(in);
	if (status == STATUS_OK && array >= program->n_registers)
		status = fault_set(fault, STATUS_NOT_FOUND, "no register array %u", array);
	for (uint32_t i = 0; status == STATUS_OK && i < count; i++) {
		uint32_t index;

		status = read_key(in, table, &key, fault);
		if (status != STATUS_OK)
			break;
		/* Only this thread changes tables, so that they can be looked into while packets run. */
		index = table_entry_index(table, program->live, key.bytes);
		if (index)
			status = write_cell(program, array, index, out, fault);
		else
			write_u64(out, 0);
	}
	return status == STATUS_OK ? request_end(in, fault) : status;
}
