#pragma once

/* What a transaction keeps of each change, for transaction.c, which makes them, and commit.c, which ends them. */

#include <stdbool.h>

#include "group.h"
#include "notes.h"
#include "rules.h"
#include "transaction.h"

enum change_kind {
	CHANGE_ENTRY,
	CHANGE_RULE,
	CHANGE_DEFAULT,
	CHANGE_GROUP,
	CHANGE_REGISTER,
	CHANGE_COUNTER,
	CHANGE_TIMEOUT,
	CHANGE_FORGET,
	CHANGE_NOTE,
	CHANGE_METER,
	CHANGE_METER_COUNTS,
};

/* What an entry, or a default action, does. */
struct call {
	bool present;
	uint64_t action;
	uint8_t *data;
};

struct change {
	enum change_kind kind;
	union {
		/* In `bytes`: the key, then the data of both calls. */
		struct {
			struct table *table;
			struct call before, after;
			uint8_t *bytes;
		} entry;
		struct {
			struct table *table;
			struct rule *before, *after;
		} rule;
		struct {
			struct selector *selector;
			uint32_t id;
			struct group *before, *after;
		} group;
		struct {
			uint32_t array;
			uint32_t index;
			uint64_t value;
			struct table *table;
			uint8_t *key;
		} cell;
		struct {
			uint32_t learner, index, seconds;
		} timeout;
		struct {
			const struct table *learner;
			uint8_t *key;
		} forget;
		struct {
			struct note *before, *after;
		} note;
		struct {
			uint32_t array, index;
			/* Or NULL. */
			struct meter_profile *profile;
		} meter;
	};
};

/* Makes an exact table say `call` for a key. */
int put_entry(struct table *table, void *object, uint8_t *key, const struct call *call);
/* The same in the staged copy, which the list of keys goes with. */
int put_staged_entry(struct table *table, void *object, uint8_t *key, const struct call *call);
/* Makes `call` the default action. */
void put_default(struct table *table, struct rte_swx_table_state *states, const struct call *call);
/* Takes one rule out of a table's rules and puts another in; either may be NULL. */
void swap_rule(struct table *table, struct rule *out, struct rule *in);
/* The same with notes. There must be room for `in`. */
void swap_note(struct notes *notes, struct note *out, struct note *in);
