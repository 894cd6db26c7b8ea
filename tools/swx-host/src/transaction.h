#pragma once

/*
 * Changes of tables, made all together or not at all. Changes go to the staged copy of the state at once, so that each
 * tells at once whether it works; a commit gives that copy to the packets and repeats the changes on the other one.
 * Every step costs the same however many entries there are, but for tables that DPDK has to build anew.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fault.h"
#include "program.h"
#include "worker.h"

struct change;
struct notes;

struct transaction {
	struct program *program;
	struct worker *worker;
	struct notes *notes;
	struct change *changes;
	size_t count;
	size_t capacity;
};

struct member {
	uint32_t id;
	uint32_t weight;
};

/* Keys, masks and action data are laid out as SWX has them (layout.h). Adds or replaces. */
enum status transaction_set(struct transaction *transaction, struct table *table, const uint8_t *key,
			    const uint8_t *mask, uint32_t priority, uint32_t action, const uint8_t *data,
			    struct fault *fault);
/* An entry that is not there is no error. */
enum status transaction_delete(struct transaction *transaction, struct table *table, const uint8_t *key,
			       const uint8_t *mask, uint32_t priority, struct fault *fault);
/* Of a table or a learner. */
enum status transaction_set_default(struct transaction *transaction, struct table *table, uint32_t action,
				    const uint8_t *data, struct fault *fault);
/* Replaces the members of a group; none empties it. */
enum status transaction_set_group(struct transaction *transaction, struct selector *selector, uint32_t group,
				  const struct member *members, uint32_t count, struct fault *fault);
/* Registers, meters and timeouts are written, and learned entries ended, when the transaction is committed. */
enum status transaction_write_register(struct transaction *transaction, uint32_t array, uint32_t index, uint64_t value,
				       struct fault *fault);
/* The register of a table's entry, if the entry is there then. */
enum status transaction_write_counter(struct transaction *transaction, uint32_t array, struct table *table,
				      const uint8_t *key, uint64_t value, struct fault *fault);
enum status transaction_set_timeout(struct transaction *transaction, uint32_t learner, uint32_t index, uint32_t seconds,
				    struct fault *fault);
/* An entry that is not there is no error. */
enum status transaction_forget(struct transaction *transaction, const struct table *learner, const uint8_t *key,
			       struct fault *fault);

/* Gives a meter a profile, or with NULL none, and full buckets. */
enum status transaction_set_meter(struct transaction *transaction, uint32_t array, uint32_t index,
				  struct rte_meter_trtcm_params *params, struct fault *fault);
/* Has its counts begin anew. */
enum status transaction_clear_meter(struct transaction *transaction, uint32_t array, uint32_t index,
				    struct fault *fault);

/* Replaces a note; a value of no length takes it away. */
enum status transaction_set_note(struct transaction *transaction, const uint8_t *key, uint16_t key_length,
				 const uint8_t *value, uint32_t length, struct fault *fault);

/* Where the transaction is, to go back to. */
size_t transaction_mark(const struct transaction *transaction);
/* Takes back everything since `mark`. */
void transaction_undo(struct transaction *transaction, size_t mark);
/* All or nothing: after a failure nothing is staged, and nothing has changed. */
enum status transaction_commit(struct transaction *transaction, struct fault *fault);

/* What an entry of an exact table does, or false if there is none. The worker must be paused, or the copy be one that it
 * does not change. */
bool table_entry(struct table *table, const struct rte_swx_table_state *state, const uint8_t *key, uint64_t *action,
		 uint8_t **data);
/* The place of an entry in registers of direct counters, or 0. The worker must be paused, or `staged` be looked at. */
uint32_t table_entry_index(struct table *table, const struct rte_swx_table_state *state, const uint8_t *key);
