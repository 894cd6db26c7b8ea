/* The request for statistics. */

#include <stdlib.h>

#include "requests.h"

static void
write_port(const struct port *port, struct writer *out)
{
	write_u64(out, port->stats.rx_packets);
	write_u64(out, port->stats.rx_bytes);
	write_u64(out, port->stats.tx_packets);
	write_u64(out, port->stats.tx_bytes);
	write_u64(out, port->stats.tx_errors);
}

enum status
request_statistics(struct host *host, struct writer *out, struct fault *fault)
{
	const struct program *program = &host->program;
	const struct ports *ports = &host->ports;
	uint64_t *by_action = calloc(program->n_actions ? program->n_actions : 1, sizeof(*by_action));

	if (!by_action)
		return fault_set(fault, STATUS_FAILED, "no memory for statistics");
	write_u64(out, ports->received);
	write_u64(out, ports_dropped_count(ports));
	write_u64(out, ports_unknown_count(ports));
	write_u64(out, ports->malformed);
	write_u64(out, atomic_load(&host->worker.sleeps));
	request_write_ports(ports, write_port, out);
	write_u16(out, (uint16_t)program->n_tables);
	for (uint32_t i = 0; i < program->n_tables; i++) {
		struct rte_swx_table_stats stats = {.n_pkts_action = by_action};

		(void)rte_swx_ctl_pipeline_table_stats_read(program->swx, program->tables[i].name, &stats);
		write_u32(out, program->tables[i].entries);
		write_u64(out, stats.n_pkts_hit);
		write_u64(out, stats.n_pkts_miss);
	}
	write_u16(out, (uint16_t)program->n_learners);
	for (uint32_t i = 0; i < program->n_learners; i++) {
		struct rte_swx_learner_stats stats = {.n_pkts_action = by_action};

		(void)rte_swx_ctl_pipeline_learner_stats_read(program->swx, program->learners[i].name, &stats);
		write_u64(out, stats.n_pkts_hit);
		write_u64(out, stats.n_pkts_miss);
		write_u64(out, stats.n_pkts_learn_ok);
		write_u64(out, stats.n_pkts_learn_err);
		write_u64(out, stats.n_pkts_rearm);
		write_u64(out, stats.n_pkts_forget);
	}
	free(by_action);
	return STATUS_OK;
}
