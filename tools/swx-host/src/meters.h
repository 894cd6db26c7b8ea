#pragma once

/*
 * The meters of a program. DPDK knows profiles by names, which meters share: here, there is one for each configuration
 * that some meter has, or is to have. It also forgets what a meter has counted when its profile changes; here, it does not.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_meter.h>
#include <rte_swx_ctl.h>

#include "fault.h"

/* Greatest rate and burst: DPDK's arithmetic overflows at some 2^57, and then divides by zero. */
#define METER_LIMIT ((UINT64_C(1) << 53) - 1)

struct meter_profile {
	struct meter_profile *next;
	struct rte_meter_trtcm_params params;
	char name[RTE_SWX_CTL_NAME_SIZE];
	/* Meters that have it, and changes that want it. */
	uint32_t users;
};

struct meter {
	struct meter_profile *profile;
	/* What it had counted when DPDK began to count anew; less what it is not to tell any more. */
	struct rte_swx_ctl_meter_stats before;
};

struct meter_array {
	char name[RTE_SWX_CTL_NAME_SIZE];
	uint32_t size;
	struct meter *meters;
};

struct meters {
	struct meter_array *arrays;
	uint32_t count;
	struct meter_profile *profiles;
	/* For names. */
	uint64_t made;
};

enum status meters_describe(struct meters *meters, struct rte_swx_pipeline *swx, uint32_t count, struct fault *fault);
enum status meters_check(const struct meters *meters, uint32_t array, uint32_t index, struct fault *fault);

/* A profile with these parameters, made if there is none yet. */
enum status meters_take_profile(struct meters *meters, struct rte_swx_pipeline *swx, struct rte_meter_trtcm_params *params,
				struct meter_profile **profile, struct fault *fault);
/* Ends it if nobody else uses it; it may be NULL. */
void meters_leave_profile(struct meters *meters, struct rte_swx_pipeline *swx, struct meter_profile *profile);

/* While no packet is on its way: gives a meter a profile, which it leaves when it gets another, or none (NULL). */
void meters_set(struct meters *meters, struct rte_swx_pipeline *swx, uint32_t array, uint32_t index,
		struct meter_profile *profile);
/* The counts begin anew. */
void meters_clear(struct meters *meters, struct rte_swx_pipeline *swx, uint32_t array, uint32_t index);
void meters_read(const struct meters *meters, struct rte_swx_pipeline *swx, uint32_t array, uint32_t index,
		 struct rte_swx_ctl_meter_stats *stats);
