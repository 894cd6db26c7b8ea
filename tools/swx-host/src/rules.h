#pragma once

/*
 * The entries of a table that DPDK can only build as a whole (wildcard and longest prefix match). They are found by
 * key, mask and priority in constant time.
 */

#include <stdint.h>

#include <rte_swx_table.h>

struct rule {
	/* As DPDK wants it, except that key_priority holds a rank while a table is built. */
	struct rte_swx_table_entry entry;
	struct rule *next;
	uint32_t priority;
	uint32_t hash;
	/* Key, mask and action data; `entry` points into it. */
	uint8_t bytes[];
};

struct rules;

struct rules *rules_create(uint32_t capacity);
uint32_t rules_count(const struct rules *rules);
/* The rules by the buckets they are found in, in no particular order; `next` leads through a bucket. */
uint32_t rules_buckets(const struct rules *rules);
const struct rule *rules_bucket(const struct rules *rules, uint32_t bucket);

struct rule *rule_create(const struct rte_swx_table_params *params, const uint8_t *key, const uint8_t *mask,
			 uint32_t priority, uint64_t action, const uint8_t *data);
void rule_free(struct rule *rule);

struct rule *rules_find(const struct rules *rules, const struct rte_swx_table_params *params, const uint8_t *key,
			const uint8_t *mask, uint32_t priority);
/* The rules do not own what is in them. */
void rules_insert(struct rules *rules, struct rule *rule);
void rules_remove(struct rules *rules, struct rule *rule);

/*
 * The entries for rte_swx_table_ops.create. DPDK's priorities end at 2^29; what counts is their order, so each is
 * replaced by its rank. NULL when memory runs out.
 */
struct rte_swx_table_entry_list *rules_ranked(struct rules *rules);
