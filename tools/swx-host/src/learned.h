#pragma once

/*
 * What learners have learned. One entry is looked up and ended by DPDK's own functions, while no packet is on its way.
 * To list them all, while packets go on, takes the place of entries in memory, which DPDK does not tell: it is put to the
 * test on a small learner of the same kind at the start, and a DPDK that has it otherwise is not read.
 *
 * A bucket has four places. It begins with their four times of expiry (in units of 2^32 clock cycles, 0: free), four
 * signatures and four timeout ids; from the 64th byte on follow the keys, then the number of the action and its data.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fault.h"
#include "wire.h"
#include "worker.h"

struct program;
struct table;

/* Longest key that is asked for here. DPDK takes longer ones. */
#define LEARNED_KEY_MAX 64

/* Where the entries of a learner are. */
struct learned {
	/* Why they cannot be listed, or NULL. */
	const char *unreadable;
	const uint8_t *buckets;
	uint32_t n_buckets;
	size_t bucket_size;
	size_t key_size;
	size_t data_size;
};

/* Which entries are wanted. Key and mask are laid out as SWX has them. */
struct learned_filter {
	bool by_action;
	uint32_t action;
	bool by_key;
	uint8_t key[LEARNED_KEY_MAX];
	uint8_t mask[LEARNED_KEY_MAX];
};

/* Finds out where the entries of a learner, whose table in DPDK is `object`, are. */
void learned_describe(struct table *learner, const void *object);

/* UNSUPPORTED for a learner with longer keys than LEARNED_KEY_MAX. */
enum status learned_check_key(const struct table *learner, struct fault *fault);

/*
 * Writes entries from the place `*cursor` on, at most `most` of them, and moves the cursor on; UINT32_MAX at the end. A
 * piece may have none: the cursor is what counts. An entry that the worker rewrites meanwhile is read again, or left out
 * if it does not come to a rest.
 */
enum status learned_list(const struct program *program, struct worker *worker, const struct table *learner,
			 const struct learned_filter *filter, uint32_t *cursor, uint32_t most, uint32_t *count,
			 struct writer *out, struct fault *fault);
/* Counts entries from a place on, for as many places as take some milliseconds. */
enum status learned_count(const struct table *learner, const struct learned_filter *filter, uint32_t *cursor,
			  uint32_t *count, struct fault *fault);
/* Writes whether there is an entry of that key (u8) and, if so, what it is, its timeout and the milliseconds left, all
 * ones if they are not known. The worker must be paused. */
void learned_find(const struct program *program, const struct table *learner, const uint8_t *key, struct writer *out);
/* Ends the entry of that key, if there is one. The worker must be paused. */
void learned_forget(const struct program *program, const struct table *learner, const uint8_t *key);
