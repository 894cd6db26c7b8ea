#include "rules.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <rte_bitops.h>
#include <rte_common.h>
#include <rte_jhash.h>

struct rules {
	struct rte_swx_table_entry_list list;
	uint32_t count;
	uint32_t mask;
	struct rule *buckets[];
};

struct rules *
rules_create(uint32_t capacity)
{
	uint32_t n_buckets = rte_align32pow2(capacity < 16 ? 16 : capacity);
	struct rules *rules = calloc(1, sizeof(*rules) + n_buckets * sizeof(rules->buckets[0]));

	if (rules) {
		TAILQ_INIT(&rules->list);
		rules->mask = n_buckets - 1;
	}
	return rules;
}

uint32_t
rules_count(const struct rules *rules)
{
	return rules->count;
}

uint32_t
rules_buckets(const struct rules *rules)
{
	return rules->mask + 1;
}

const struct rule *
rules_bucket(const struct rules *rules, uint32_t bucket)
{
	return rules->buckets[bucket];
}

static uint32_t
hash_of(const struct rte_swx_table_params *params, const uint8_t *key, const uint8_t *mask, uint32_t priority)
{
	return rte_jhash(mask, params->key_size, rte_jhash(key, params->key_size, priority));
}

struct rule *
rule_create(const struct rte_swx_table_params *params, const uint8_t *key, const uint8_t *mask, uint32_t priority,
	    uint64_t action, const uint8_t *data)
{
	size_t size = params->key_size;
	struct rule *rule = calloc(1, sizeof(*rule) + 2 * size + params->action_data_size);

	if (!rule)
		return NULL;
	rule->priority = priority;
	rule->hash = hash_of(params, key, mask, priority);
	rule->entry.key = rule->bytes;
	rule->entry.key_mask = &rule->bytes[size];
	rule->entry.action_data = &rule->bytes[2 * size];
	rule->entry.action_id = action;
	memcpy(rule->entry.key, key, size);
	memcpy(rule->entry.key_mask, mask, size);
	if (params->action_data_size)
		memcpy(rule->entry.action_data, data, params->action_data_size);
	return rule;
}

void
rule_free(struct rule *rule)
{
	free(rule);
}

struct rule *
rules_find(const struct rules *rules, const struct rte_swx_table_params *params, const uint8_t *key, const uint8_t *mask,
	   uint32_t priority)
{
	uint32_t hash = hash_of(params, key, mask, priority);
	struct rule *rule = rules->buckets[hash & rules->mask];

	for (; rule; rule = rule->next)
		if (rule->hash == hash && rule->priority == priority &&
		    !memcmp(rule->entry.key, key, params->key_size) &&
		    !memcmp(rule->entry.key_mask, mask, params->key_size))
			return rule;
	return NULL;
}

void
rules_insert(struct rules *rules, struct rule *rule)
{
	struct rule **bucket = &rules->buckets[rule->hash & rules->mask];

	rule->next = *bucket;
	*bucket = rule;
	TAILQ_INSERT_TAIL(&rules->list, &rule->entry, node);
	rules->count++;
}

void
rules_remove(struct rules *rules, struct rule *rule)
{
	struct rule **link = &rules->buckets[rule->hash & rules->mask];

	while (*link != rule)
		link = &(*link)->next;
	*link = rule->next;
	TAILQ_REMOVE(&rules->list, &rule->entry, node);
	rules->count--;
}

static struct rule *
rule_of(struct rte_swx_table_entry *entry)
{
	return (struct rule *)((uint8_t *)entry - offsetof(struct rule, entry));
}

static int
by_priority(const void *left, const void *right)
{
	uint32_t a = (*(struct rule *const *)left)->priority, b = (*(struct rule *const *)right)->priority;

	return a < b ? -1 : a > b;
}

struct rte_swx_table_entry_list *
rules_ranked(struct rules *rules)
{
	struct rule **sorted = malloc((rules->count ? rules->count : 1) * sizeof(*sorted));
	struct rte_swx_table_entry *entry;
	uint32_t count = 0, rank = 0;

	if (!sorted)
		return NULL;
	TAILQ_FOREACH(entry, &rules->list, node)
		sorted[count++] = rule_of(entry);
	qsort(sorted, count, sizeof(*sorted), by_priority);
	for (uint32_t i = 0; i < count; i++) {
		if (i > 0 && sorted[i]->priority != sorted[i - 1]->priority)
			rank++;
		sorted[i]->entry.key_priority = rank;
	}
	free(sorted);
	return &rules->list;
}
