/* Requests about meters. */

#include "requests.h"

/* All zeros are no profile. */
enum status
request_change_meter(struct host *host, struct reader *in, struct fault *fault)
{
	uint32_t array = read_u16(in), index = read_u32(in);
	struct rte_meter_trtcm_params params = {0};
	bool has_profile;

	params.cir = read_u64(in);
	params.cbs = read_u64(in);
	params.pir = read_u64(in);
	params.pbs = read_u64(in);
	has_profile = params.cir || params.cbs || params.pir || params.pbs;
	return in->short_read ? request_too_short(fault)
			      : transaction_set_meter(&host->transaction, array, index, has_profile ? &params : NULL, fault);
}

enum status
request_change_meter_counts(struct host *host, struct reader *in, struct fault *fault)
{
	uint32_t array = read_u16(in), index = read_u32(in);

	return in->short_read ? request_too_short(fault)
			      : transaction_clear_meter(&host->transaction, array, index, fault);
}

enum status
request_read_meters(struct host *host, struct reader *in, struct writer *out, struct fault *fault)
{
	const struct program *program = &host->program;
	uint32_t array = read_u16(in), first = read_u32(in), count = read_u32(in);
	enum status status = request_end(in, fault);

	for (uint32_t i = 0; status == STATUS_OK && i < count; i++) {
		struct rte_swx_ctl_meter_stats stats;

		status = meters_check(&program->meters, array, first + i, fault);
		if (status != STATUS_OK)
			break;
		meters_read(&program->meters, program->swx, array, first + i, &stats);
		for (uint32_t color = 0; color < RTE_COLORS; color++) {
			write_u64(out, stats.n_pkts[color]);
			write_u64(out, stats.n_bytes[color]);
		}
	}
	return status;
}
