#include "learned.h"

#include <stdlib.h>
#include <string.h>

#include <rte_common.h>
#include <rte_cycles.h>
#include <rte_swx_table_learner.h>

#include "layout.h"
#include "program.h"

#define PLACES 4
#define TIMES_AT 0
#define TIMEOUTS_AT 32
#define KEYS_AT 64
#define TIME_BITS 32
/* Buckets looked at in one go: some milliseconds. */
#define SCAN_BUCKETS 65536
/* How often an entry is read that does not come to a rest. */
#define ROUNDS 4

/* An entry as it was in memory at one moment; behind it the key, the action and its data. */
struct copy {
	uint32_t place;
	uint32_t time;
	uint8_t timeout;
	bool settled;
	uint64_t bytes[];
};

static const uint8_t *
bucket_of(const struct learned *learned, uint32_t place)
{
	return &learned->buckets[(size_t)(place / PLACES) * learned->bucket_size];
}

static const uint8_t *
key_of(const struct learned *learned, uint32_t place)
{
	return bucket_of(learned, place) + KEYS_AT + place % PLACES * learned->key_size;
}

static const uint8_t *
data_of(const struct learned *learned, uint32_t place)
{
	return bucket_of(learned, place) + KEYS_AT + PLACES * learned->key_size + place % PLACES * learned->data_size;
}

static uint32_t
time_of(const struct learned *learned, uint32_t place)
{
	const uint8_t *times = bucket_of(learned, place) + TIMES_AT;

	return __atomic_load_n((const uint32_t *)(const void *)times + place % PLACES, __ATOMIC_RELAXED);
}

static uint8_t
timeout_of(const struct learned *learned, uint32_t place)
{
	return __atomic_load_n(bucket_of(learned, place) + TIMEOUTS_AT + place % PLACES, __ATOMIC_RELAXED);
}

/* The worker may write to what is read here. */
static void
copy_words(uint64_t *to, const uint8_t *from, size_t bytes)
{
	const uint64_t *words = (const uint64_t *)(const void *)from;

	for (size_t i = 0; i < bytes / sizeof(*to); i++)
		to[i] = __atomic_load_n(&words[i], __ATOMIC_RELAXED);
}

static size_t
copy_size(const struct learned *learned)
{
	return sizeof(struct copy) + learned->key_size + learned->data_size;
}

static void
copy_entry(const struct learned *learned, uint32_t place, struct copy *copy)
{
	copy->place = place;
	copy->time = time_of(learned, place);
	copy->timeout = timeout_of(learned, place);
	copy->settled = false;
	copy_words(copy->bytes, key_of(learned, place), learned->key_size);
	copy_words(&copy->bytes[learned->key_size / sizeof(uint64_t)], data_of(learned, place), learned->data_size);
}

/* ---- Finding out ---- */

/* Enters a key into a learner of one bucket; `i` makes it, `data` and its timeout differ from the others. */
static bool
probe_add(const struct table *learner, void *object, void *mailbox, uint8_t *data, uint64_t now, uint32_t i)
{
	uint8_t key[LEARNED_KEY_MAX] = {0}, *base = key, *found;
	uint64_t action;
	size_t index;
	int hit = 0;

	memset(key, (int)(0x11 + i), learner->params.key_size);
	memset(data, (int)(0x81 + i), learner->params.action_data_size);
	while (!rte_swx_table_learner_lookup(object, mailbox, now, &base, &action, &found, &index, &hit))
		;
	return !hit && !rte_swx_table_learner_add(object, mailbox, now, 0x40 + i, data, i);
}

static bool
probe_finds(const struct table *learner, const struct learned *learned, uint64_t now, uint64_t timeout, uint32_t i)
{
	const struct rte_swx_table_params *params = &learner->params;
	uint64_t action;
	size_t bytes;

	if (time_of(learned, i) != (now + timeout) >> TIME_BITS || timeout_of(learned, i) != i)
		return false;
	for (bytes = 0; bytes < params->key_size; bytes++)
		if (key_of(learned, i)[bytes] != ((0x11 + i) & params->key_mask0[bytes]))
			return false;
	memcpy(&action, data_of(learned, i), sizeof(action));
	for (bytes = 0; bytes < params->action_data_size; bytes++)
		if (data_of(learned, i)[sizeof(action) + bytes] != 0x81 + i)
			return false;
	return action == 0x40 + i;
}

/* Whether entries are where they are thought to be, tried on a learner of one bucket. */
static bool
probe(const struct table *learner, const struct learned *learned, struct rte_swx_table_learner_params *params,
      size_t header)
{
	void *object = rte_swx_table_learner_create(params, SOCKET_ID_ANY);
	void *mailbox = calloc(1, rte_swx_table_learner_mailbox_size_get());
	/* A program may have any number of arguments; DPDK copies whole words. */
	uint8_t *data = calloc(1, learned->data_size);
	uint64_t now = rte_get_tsc_cycles();
	struct learned tried = *learned;
	bool good = object && mailbox && data && params->key_size <= LEARNED_KEY_MAX;

	if (good)
		tried.buckets = (const uint8_t *)object + header;
	for (uint32_t i = 0; good && i < PLACES; i++)
		good = probe_add(learner, object, mailbox, data, now, i);
	for (uint32_t i = 0; good && i < PLACES; i++)
		good = probe_finds(learner, &tried, now, params->key_timeout[i] * rte_get_tsc_hz(), i);
	rte_swx_table_learner_free(object);
	free(data);
	free(mailbox);
	return good;
}

void
learned_describe(struct table *learner, const void *object)
{
	/* Each is longer than the shortest that there is, 2^32 cycles. */
	uint32_t timeouts[PLACES] = {60, 300, 3600, 86400};
	struct rte_swx_table_learner_params params = {
		.key_size = learner->params.key_size,
		.key_mask0 = learner->params.key_mask0,
		.action_data_size = learner->params.action_data_size,
		.n_keys_max = 1,
		.key_timeout = timeouts,
		.n_key_timeouts = PLACES,
	};
	struct learned *learned = &learner->learned;
	size_t one = rte_swx_table_learner_footprint_get(&params), header;

	params.n_keys_max = 2;
	learned->bucket_size = rte_swx_table_learner_footprint_get(&params) - one;
	params.n_keys_max = 1;
	header = one - learned->bucket_size;
	learned->n_buckets = rte_align32pow2(learner->params.n_keys_max);
	learned->key_size = RTE_MAX(rte_align64pow2(params.key_size), sizeof(uint64_t));
	learned->data_size = rte_align64pow2(sizeof(uint64_t) + params.action_data_size);
	learned->buckets = (const uint8_t *)object + header;
	learned->unreadable = "this release of DPDK stores learned entries in an unknown way";
	/* Places are numbered in 32 bits. */
	if (learned->n_buckets > UINT32_MAX / PLACES)
		learned->unreadable = "it has too many entries to be listed";
	else if (one > learned->bucket_size &&
		 learned->bucket_size == rte_align64pow2(KEYS_AT + PLACES * (learned->key_size + learned->data_size)) &&
		 probe(learner, learned, &params, header))
		learned->unreadable = NULL;
}

/* ---- Listing ---- */

enum status
learned_check_key(const struct table *learner, struct fault *fault)
{
	return learner->params.key_size > LEARNED_KEY_MAX
		       ? fault_set(fault, STATUS_UNSUPPORTED, "learner %s: its keys have %u bytes: %u is the limit",
				   learner->name, learner->params.key_size, LEARNED_KEY_MAX)
		       : STATUS_OK;
}

static enum status
check(const struct table *learner, struct fault *fault)
{
	return learner->learned.unreadable
		       ? fault_set(fault, STATUS_UNSUPPORTED, "learner %s: %s", learner->name, learner->learned.unreadable)
		       : STATUS_OK;
}

static bool
is_live(const struct learned *learned, uint32_t place, uint64_t now)
{
	return (uint64_t)time_of(learned, place) << TIME_BITS > now;
}

static bool
is_wanted(const struct table *learner, const struct learned_filter *filter, uint32_t place)
{
	const struct learned *learned = &learner->learned;
	uint64_t words[LEARNED_KEY_MAX / sizeof(uint64_t)], action;
	const uint8_t *key = (const uint8_t *)words;

	if (filter->by_key) {
		copy_words(words, key_of(learned, place), learned->key_size);
		for (uint32_t i = 0; i < learner->params.key_size; i++)
			if ((key[i] ^ filter->key[i]) & filter->mask[i])
				return false;
	}
	if (!filter->by_action)
		return true;
	copy_words(&action, data_of(learned, place), sizeof(action));
	return action == filter->action;
}

/* The first place that a scan from `cursor` on leaves to the next one. */
static uint32_t
scan_end(const struct learned *learned, uint32_t cursor)
{
	uint32_t places = learned->n_buckets * PLACES;

	return cursor < places && places - cursor > SCAN_BUCKETS * PLACES ? cursor + SCAN_BUCKETS * PLACES : places;
}

/* Where the list goes on. */
static uint32_t
next_cursor(const struct learned *learned, uint32_t place)
{
	return place < learned->n_buckets * PLACES ? place : UINT32_MAX;
}

static bool
is_action_of(const struct table *learner, uint64_t action)
{
	for (uint32_t i = 0; i < learner->n_actions; i++)
		if (learner->actions[i].action == action)
			return true;
	return false;
}

static void
write_entry(const struct program *program, const struct table *learner, const uint8_t *key, uint64_t action,
	    const uint8_t *data, struct writer *out)
{
	layout_write_key(out, learner, key);
	write_u16(out, (uint16_t)action);
	layout_write_arguments(out, &program->actions[action], data);
}

static void
write_times(uint8_t timeout, uint32_t time, uint64_t now, struct writer *out)
{
	uint64_t expires = (uint64_t)time << TIME_BITS, hz = rte_get_tsc_hz();
	/* In milliseconds, without running over. */
	uint64_t left = expires > now ? (expires - now) / hz * 1000 + (expires - now) % hz * 1000 / hz : 0;

	write_u16(out, timeout);
	write_u32(out, left < UINT32_MAX ? (uint32_t)left : UINT32_MAX);
}

/* Whether an entry is still as it was copied, but for its time, which every packet may set. */
static bool
is_same(const struct learned *learned, const struct copy *copy, struct copy *again)
{
	copy_entry(learned, copy->place, again);
	return again->timeout == copy->timeout &&
	       !memcmp(again->bytes, copy->bytes, learned->key_size + learned->data_size);
}

/*
 * Copies are told once they are the same after the worker has come to the end of what it was doing: then nothing of them
 * was half written.
 */
static void
settle(const struct learned *learned, struct worker *worker, uint8_t *copies, uint32_t count, struct copy *again)
{
	uint32_t open = count;

	for (uint32_t round = 0; open && round < ROUNDS && worker_settle(worker); round++) {
		open = 0;
		for (uint32_t i = 0; i < count; i++) {
			struct copy *copy = (struct copy *)(void *)&copies[i * copy_size(learned)];

			if (copy->settled)
				continue;
			copy->settled = is_same(learned, copy, again);
			if (!copy->settled)
				copy_entry(learned, copy->place, copy);
			open += !copy->settled;
		}
	}
}

enum status
learned_list(const struct program *program, struct worker *worker, const struct table *learner,
	     const struct learned_filter *filter, uint32_t *cursor, uint32_t most, uint32_t *count, struct writer *out,
	     struct fault *fault)
{
	const struct learned *learned = &learner->learned;
	uint32_t place = *cursor, end = scan_end(learned, place), copied = 0;
	uint64_t now = rte_get_tsc_cycles();
	enum status status = check(learner, fault);
	size_t size = copy_size(learned);
	uint8_t *copies;

	if (status != STATUS_OK)
		return status;
	/* One more, to compare with. */
	copies = malloc(((size_t)most + 1) * size);
	if (!copies)
		return fault_set(fault, STATUS_FAILED, "no memory for a list of %u entries", most);
	for (; place < end && copied < most; place++)
		if (is_live(learned, place, now) && is_wanted(learner, filter, place))
			copy_entry(learned, place, (struct copy *)(void *)&copies[size * copied++]);
	settle(learned, worker, copies, copied, (struct copy *)(void *)&copies[size * most]);
	*count = 0;
	for (uint32_t i = 0; i < copied; i++) {
		const struct copy *copy = (const struct copy *)(const void *)&copies[size * i];
		const uint8_t *data = (const uint8_t *)copy->bytes + learned->key_size;
		uint64_t action;

		memcpy(&action, data, sizeof(action));
		if (!copy->settled || !is_live(learned, copy->place, now) || !is_action_of(learner, action))
			continue;
		write_entry(program, learner, (const uint8_t *)copy->bytes, action, data + sizeof(action), out);
		write_times(copy->timeout, copy->time, now, out);
		(*count)++;
	}
	free(copies);
	*cursor = next_cursor(learned, place);
	return STATUS_OK;
}

enum status
learned_count(const struct table *learner, const struct learned_filter *filter, uint32_t *cursor, uint32_t *count,
	      struct fault *fault)
{
	const struct learned *learned = &learner->learned;
	uint32_t place = *cursor, end = scan_end(learned, place);
	uint64_t now = rte_get_tsc_cycles();
	enum status status = check(learner, fault);

	if (status != STATUS_OK)
		return status;
	*count = 0;
	for (; place < end; place++)
		*count += is_live(learned, place, now) && is_wanted(learner, filter, place);
	*cursor = next_cursor(learned, place);
	return STATUS_OK;
}

/* ---- One entry ---- */

static bool
look_up(const struct program *program, const struct table *learner, const uint8_t *key, uint64_t now, uint64_t *action,
	uint8_t **data, size_t *place)
{
	/* A look-up adds the offset that keys have within a packet's data. */
	uint8_t *base = (uint8_t *)(uintptr_t)key - learner->params.key_offset;
	int hit = 0;

	while (!rte_swx_table_learner_lookup(program->live[learner->state].obj, learner->mailbox, now, &base, action,
					     data, place, &hit))
		;
	return hit;
}

void
learned_find(const struct program *program, const struct table *learner, const uint8_t *key, struct writer *out)
{
	const struct learned *learned = &learner->learned;
	uint64_t now = rte_get_tsc_cycles(), action;
	uint8_t *data;
	size_t place;
	bool found = look_up(program, learner, key, now, &action, &data, &place) && is_action_of(learner, action);

	write_u8(out, found);
	if (!found)
		return;
	write_u16(out, (uint16_t)action);
	layout_write_arguments(out, &program->actions[action], data);
	if (learned->unreadable) {
		write_u16(out, UINT16_MAX);
		write_u32(out, UINT32_MAX);
	} else {
		write_times(timeout_of(learned, (uint32_t)place), time_of(learned, (uint32_t)place), now, out);
	}
}

void
learned_forget(const struct program *program, const struct table *learner, const uint8_t *key)
{
	uint64_t action;
	uint8_t *data;
	size_t place;

	if (look_up(program, learner, key, rte_get_tsc_cycles(), &action, &data, &place))
		rte_swx_table_learner_delete(program->live[learner->state].obj, learner->mailbox);
}
