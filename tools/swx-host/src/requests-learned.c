/* Requests about what learners have learned. */

#include <string.h>

#include "layout.h"
#include "learned.h"
#include "requests.h"

/* Entries in one piece of a list, and keys in one look: packets wait for the latter. */
#define PIECE_MAX 16384
#define KEYS_MAX 4096
#define ANY_ACTION 0xffff

static enum status
find_learner(const struct host *host, uint32_t id, const struct table **learner, struct fault *fault)
{
	if (id >= host->program.n_learners)
		return fault_set(fault, STATUS_NOT_FOUND, "no learner %u", id);
	*learner = &host->program.learners[id];
	return STATUS_OK;
}

/* A learner whose keys can be asked for. */
static enum status
find_keyed(const struct host *host, uint32_t id, const struct table **learner, struct fault *fault)
{
	enum status status = find_learner(host, id, learner, fault);

	return status == STATUS_OK ? learned_check_key(*learner, fault) : status;
}

/* Which entries are wanted; nothing more in the message means all of them. */
static enum status
read_filter(struct reader *in, const struct table *learner, struct learned_filter *filter, struct fault *fault)
{
	memset(filter, 0, sizeof(*filter));
	if (in->at == in->end)
		return request_end(in, fault);
	filter->action = read_u16(in);
	filter->by_action = filter->action != ANY_ACTION;
	filter->by_key = read_u8(in);
	if (filter->by_key) {
		layout_key(in, learner, filter->key);
		layout_key(in, learner, filter->mask);
	}
	return request_end(in, fault);
}

enum status
request_list_learned(struct host *host, struct reader *in, struct writer *out, struct fault *fault)
{
	const struct table *learner = NULL;
	enum status status = find_keyed(host, read_u16(in), &learner, fault);
	uint32_t cursor = read_u32(in), most = read_u32(in), count = 0;
	struct learned_filter filter;
	size_t place = out->length;

	if (status == STATUS_OK)
		status = read_filter(in, learner, &filter, fault);
	if (status != STATUS_OK)
		return status;
	most = most ? (most < PIECE_MAX ? most : PIECE_MAX) : 1;
	write_u32(out, 0);
	write_u32(out, 0);
	status = learned_list(&host->program, &host->worker, learner, &filter, &cursor, most, &count, out, fault);
	if (status != STATUS_OK)
		return status;
	patch_u32(out, place, cursor);
	patch_u32(out, place + sizeof(uint32_t), count);
	return STATUS_OK;
}

enum status
request_count_learned(struct host *host, struct reader *in, struct writer *out, struct fault *fault)
{
	const struct table *learner = NULL;
	enum status status = find_keyed(host, read_u16(in), &learner, fault);
	uint32_t cursor = read_u32(in), count = 0;
	struct learned_filter filter;

	if (status == STATUS_OK)
		status = read_filter(in, learner, &filter, fault);
	if (status == STATUS_OK)
		status = learned_count(learner, &filter, &cursor, &count, fault);
	if (status != STATUS_OK)
		return status;
	write_u32(out, cursor);
	write_u32(out, count);
	return STATUS_OK;
}

enum status
request_read_learned(struct host *host, struct reader *in, struct writer *out, struct fault *fault)
{
	const struct table *learner = NULL;
	enum status status = find_keyed(host, read_u16(in), &learner, fault);
	uint32_t count = read_u32(in);
	struct reader keys = *in;

	if (status != STATUS_OK)
		return status;
	if (count > KEYS_MAX)
		return fault_set(fault, STATUS_BAD_REQUEST, "%u at once: %u is the limit", count, KEYS_MAX);
	(void)read_bytes(in, (size_t)count * learner->key_bytes);
	status = request_end(in, fault);
	if (status != STATUS_OK)
		return status;
	worker_pause(&host->worker);
	for (uint32_t i = 0; i < count; i++) {
		uint8_t key[LEARNED_KEY_MAX] = {0};

		layout_key(&keys, learner, key);
		learned_find(&host->program, learner, key, out);
	}
	worker_resume(&host->worker);
	return STATUS_OK;
}

enum status
request_read_timeouts(struct host *host, struct reader *in, struct writer *out, struct fault *fault)
{
	const struct table *learner = NULL;
	uint32_t id = read_u16(in);
	enum status status = find_learner(host, id, &learner, fault);

	if (status == STATUS_OK)
		status = request_end(in, fault);
	if (status != STATUS_OK)
		return status;
	write_u16(out, (uint16_t)learner->n_timeouts);
	for (uint32_t i = 0; i < learner->n_timeouts; i++) {
		uint32_t seconds = 0;

		(void)rte_swx_ctl_pipeline_learner_timeout_get(host->program.swx, id, i, &seconds);
		write_u32(out, seconds);
	}
	return STATUS_OK;
}
