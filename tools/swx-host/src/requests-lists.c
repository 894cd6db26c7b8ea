/* Requests for all that was written, piece by piece, for a client that has not written it itself. */

#include <string.h>

#include "group.h"
#include "layout.h"
#include "requests.h"
#include "rules.h"

#define PIECE_MAX 4096
#define LIST_END UINT32_MAX

/* A piece of a list: where it begins, how many items it may have; and where they are counted. */
struct piece {
	uint32_t cursor;
	uint32_t most;
	uint32_t count;
	size_t place;
};

/* Staged changes are in some of what is listed already. */
static enum status
begin(struct host *host, struct reader *in, struct piece *piece, struct writer *out, struct fault *fault)
{
	enum status status;

	piece->cursor = read_u32(in);
	piece->most = read_u32(in);
	piece->count = 0;
	status = request_end(in, fault);
	if (status != STATUS_OK)
		return status;
	if (transaction_mark(&host->transaction))
		return fault_set(fault, STATUS_BUSY, "there are staged changes that are not committed yet");
	if (piece->most > PIECE_MAX)
		piece->most = PIECE_MAX;
	piece->place = out->length;
	write_u32(out, 0);
	write_u32(out, 0);
	return STATUS_OK;
}

static enum status
end(const struct piece *piece, bool is_last, struct writer *out)
{
	patch_u32(out, piece->place, is_last ? LIST_END : piece->cursor);
	patch_u32(out, piece->place + sizeof(uint32_t), piece->count);
	return STATUS_OK;
}

static void
write_call(const struct program *program, uint64_t action, const uint8_t *data, struct writer *out)
{
	write_u16(out, (uint16_t)action);
	layout_write_arguments(out, &program->actions[action], data);
}

static void
list_exact(const struct program *program, struct table *table, struct piece *piece, struct writer *out)
{
	for (; piece->cursor < table->keys.capacity && piece->count < piece->most; piece->cursor++) {
		const uint8_t *key = keys_get(&table->keys, piece->cursor);
		uint64_t action;
		uint8_t *data;

		if (!key || !table_entry(table, program->live, key, &action, &data))
			continue;
		layout_write_key(out, table, key);
		write_call(program, action, data, out);
		piece->count++;
	}
}

/* Rules of one bucket are never parted. */
static void
list_rules(const struct program *program, const struct table *table, struct piece *piece, struct writer *out)
{
	for (; piece->cursor < rules_buckets(table->rules) && piece->count < piece->most; piece->cursor++)
		for (const struct rule *rule = rules_bucket(table->rules, piece->cursor); rule; rule = rule->next) {
			layout_write_key(out, table, rule->entry.key);
			if (!table->is_exact) {
				layout_write_key(out, table, rule->entry.key_mask);
				write_u32(out, rule->priority);
			}
			write_call(program, rule->entry.action_id, rule->entry.action_data, out);
			piece->count++;
		}
}

enum status
request_list_entries(struct host *host, struct reader *in, struct writer *out, struct fault *fault)
{
	struct program *program = &host->program;
	uint32_t id = read_u16(in);
	struct piece piece;
	enum status status = begin(host, in, &piece, out, fault);

	if (status != STATUS_OK)
		return status;
	if (id >= program->n_tables || program->tables[id].is_stub)
		return fault_set(fault, STATUS_NOT_FOUND, "no table %u with a key", id);
	if (program->tables[id].rules) {
		list_rules(program, &program->tables[id], &piece, out);
		return end(&piece, piece.cursor >= rules_buckets(program->tables[id].rules), out);
	}
	list_exact(program, &program->tables[id], &piece, out);
	return end(&piece, piece.cursor >= program->tables[id].keys.capacity, out);
}

static void
write_default(const struct program *program, const struct table *table, struct writer *out)
{
	const struct rte_swx_table_state *state = &program->live[table->state];

	write_call(program, state->default_action_id, state->default_action_data, out);
}

enum status
request_read_defaults(struct host *host, struct writer *out)
{
	const struct program *program = &host->program;

	for (uint32_t i = 0; i < program->n_tables; i++)
		write_default(program, &program->tables[i], out);
	for (uint32_t i = 0; i < program->n_learners; i++)
		write_default(program, &program->learners[i], out);
	return STATUS_OK;
}

enum status
request_list_groups(struct host *host, struct reader *in, struct writer *out, struct fault *fault)
{
	const struct program *program = &host->program;
	uint32_t id = read_u16(in);
	const struct selector *selector;
	struct piece piece;
	enum status status = begin(host, in, &piece, out, fault);

	if (status != STATUS_OK)
		return status;
	if (id >= program->n_selectors)
		return fault_set(fault, STATUS_NOT_FOUND, "no selector %u", id);
	selector = &program->selectors[id];
	for (; piece.cursor < selector->n_groups && piece.count < piece.most; piece.cursor++) {
		if (!selector->groups[piece.cursor])
			continue;
		write_u32(out, piece.cursor);
		group_write(selector->groups[piece.cursor], out);
		piece.count++;
	}
	return end(&piece, piece.cursor >= selector->n_groups, out);
}

/* Notes of one bucket are never parted. */
enum status
request_list_notes(struct host *host, struct reader *in, struct writer *out, struct fault *fault)
{
	const struct notes *notes = &host->notes;
	struct piece piece;
	enum status status = begin(host, in, &piece, out, fault);

	if (status != STATUS_OK)
		return status;
	for (; piece.cursor < notes->n_buckets && piece.count < piece.most; piece.cursor++)
		for (const struct note *note = notes->buckets[piece.cursor]; note; note = note->next) {
			write_u16(out, note->key_length);
			write_bytes(out, note->bytes, note->key_length);
			write_u32(out, note->length);
			write_bytes(out, note_value(note), note->length);
			piece.count++;
		}
	return end(&piece, piece.cursor >= notes->n_buckets, out);
}

enum status
request_read_note(struct host *host, struct reader *in, struct writer *out, struct fault *fault)
{
	uint16_t length = read_u16(in);
	const uint8_t *key = read_bytes(in, length);
	enum status status = request_end(in, fault);
	const struct note *note;

	if (status != STATUS_OK)
		return status;
	note = notes_find(&host->notes, key, length);
	write_u32(out, note ? note->length : 0);
	if (note)
		write_bytes(out, note_value(note), note->length);
	return STATUS_OK;
}
