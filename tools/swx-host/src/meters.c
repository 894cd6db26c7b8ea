#include "meters.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum status
meters_describe(struct meters *meters, struct rte_swx_pipeline *swx, uint32_t count, struct fault *fault)
{
	meters->count = count;
	meters->arrays = calloc(count ? count : 1, sizeof(*meters->arrays));
	for (uint32_t i = 0; meters->arrays && i < count; i++) {
		struct meter_array *array = &meters->arrays[i];
		struct rte_swx_ctl_metarray_info info;

		if (rte_swx_ctl_metarray_info_get(swx, i, &info))
			return fault_set(fault, STATUS_FAILED, "DPDK does not know meter array %u", i);
		memcpy(array->name, info.name, sizeof(array->name));
		array->size = info.size;
		array->meters = calloc(info.size, sizeof(*array->meters));
		if (!array->meters)
			return fault_set(fault, STATUS_FAILED, "no memory for meter array %s", array->name);
	}
	return meters->arrays ? STATUS_OK : fault_set(fault, STATUS_FAILED, "no memory for meters");
}

enum status
meters_check(const struct meters *meters, uint32_t array, uint32_t index, struct fault *fault)
{
	if (array >= meters->count)
		return fault_set(fault, STATUS_NOT_FOUND, "no meter array %u", array);
	if (index >= meters->arrays[array].size)
		return fault_set(fault, STATUS_BAD_REQUEST, "meter array %s: %u is not in 0..%u",
				 meters->arrays[array].name, index, meters->arrays[array].size - 1);
	return STATUS_OK;
}

static bool
is_valid(const struct rte_meter_trtcm_params *params)
{
	/* pir is as large as cir at least. */
	return params->cir && params->cbs && params->pbs && params->pir >= params->cir && params->pir <= METER_LIMIT &&
	       params->cbs <= METER_LIMIT && params->pbs <= METER_LIMIT;
}

enum status
meters_take_profile(struct meters *meters, struct rte_swx_pipeline *swx, struct rte_meter_trtcm_params *params,
		    struct meter_profile **profile, struct fault *fault)
{
	struct meter_profile *found = meters->profiles;

	if (!is_valid(params))
		return fault_set(fault, STATUS_BAD_REQUEST,
				 "a meter needs cir, cbs and pbs above 0 and pir of at least cir, all below 2^53");
	while (found && memcmp(&found->params, params, sizeof(*params)))
		found = found->next;
	if (!found) {
		found = calloc(1, sizeof(*found));
		if (!found)
			return fault_set(fault, STATUS_FAILED, "no memory for a meter's profile");
		found->params = *params;
		snprintf(found->name, sizeof(found->name), "profile%" PRIu64, meters->made++);
		if (rte_swx_ctl_meter_profile_add(swx, found->name, params)) {
			free(found);
			return fault_set(fault, STATUS_FAILED, "DPDK has no memory for a meter's profile");
		}
		found->next = meters->profiles;
		meters->profiles = found;
	}
	found->users++;
	*profile = found;
	return STATUS_OK;
}

void
meters_leave_profile(struct meters *meters, struct rte_swx_pipeline *swx, struct meter_profile *profile)
{
	struct meter_profile **link = &meters->profiles;

	if (!profile || --profile->users)
		return;
	while (*link != profile)
		link = &(*link)->next;
	*link = profile->next;
	(void)rte_swx_ctl_meter_profile_delete(swx, profile->name);
	free(profile);
}

void
meters_set(struct meters *meters, struct rte_swx_pipeline *swx, uint32_t array, uint32_t index,
	   struct meter_profile *profile)
{
	struct meter_array *of = &meters->arrays[array];
	struct meter *meter = &of->meters[index];
	struct meter_profile *before = meter->profile;

	meters_read(meters, swx, array, index, &meter->before);
	if (profile)
		(void)rte_swx_ctl_meter_set(swx, of->name, index, profile->name);
	else
		(void)rte_swx_ctl_meter_reset(swx, of->name, index);
	meter->profile = profile;
	meters_leave_profile(meters, swx, before);
}

void
meters_clear(struct meters *meters, struct rte_swx_pipeline *swx, uint32_t array, uint32_t index)
{
	struct rte_swx_ctl_meter_stats *before = &meters->arrays[array].meters[index].before;
	struct rte_swx_ctl_meter_stats stats;

	meters_read(meters, swx, array, index, &stats);
	for (uint32_t color = 0; color < RTE_COLORS; color++) {
		before->n_pkts[color] -= stats.n_pkts[color];
		before->n_bytes[color] -= stats.n_bytes[color];
	}
}

void
meters_read(const struct meters *meters, struct rte_swx_pipeline *swx, uint32_t array, uint32_t index,
	    struct rte_swx_ctl_meter_stats *stats)
{
	const struct meter_array *of = &meters->arrays[array];
	const struct rte_swx_ctl_meter_stats *before = &of->meters[index].before;
	struct rte_swx_ctl_meter_stats now = {0};

	(void)rte_swx_ctl_meter_stats_read(swx, of->name, index, &now);
	for (uint32_t color = 0; color < RTE_COLORS; color++) {
		stats->n_pkts[color] = before->n_pkts[color] + now.n_pkts[color];
		stats->n_bytes[color] = before->n_bytes[color] + now.n_bytes[color];
	}
}
