#include "port.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_swx_ctl.h>

#include "device.h"

#define PORT_TYPE "slot"
#define EVENTS 64

uint32_t
ports_unknown(const struct ports *ports)
{
	return ports->count;
}

uint64_t
ports_unknown_count(const struct ports *ports)
{
	return ports->slots[ports->count].stats.tx_packets;
}

uint64_t
ports_dropped_count(const struct ports *ports)
{
	struct rte_swx_port_out_stats stats = {0};

	(void)rte_swx_ctl_pipeline_port_out_stats_read(ports->swx, ports->count + 1, &stats);
	/* Which of the two counts them depends on the version of DPDK. */
	return stats.n_pkts + stats.n_pkts_drop;
}

uint64_t
ports_in_flight(const struct ports *ports)
{
	return ports->received - ports->left - ports_dropped_count(ports);
}

enum status
ports_init(struct ports *ports, uint32_t count, struct rte_mempool *pool, struct fault *fault)
{
	*ports = (struct ports){.count = count, .pool = pool};
	ports->slots = calloc(count + 1, sizeof(struct port));
	ports->epoll = epoll_create1(EPOLL_CLOEXEC);
	ports->events = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!ports->slots || ports->epoll < 0 || ports->events < 0)
		return fault_set(fault, STATUS_FAILED, "no memory for %u ports", count);
	for (uint32_t i = 0; i < count + 1; i++) {
		ports->slots[i].ports = ports;
		ports->slots[i].index = i;
		ports->slots[i].descriptor = -1;
	}
	return STATUS_OK;
}

enum status
ports_configure(struct ports *ports, struct rte_swx_pipeline *swx, struct fault *fault)
{
	struct rte_swx_port_in_ops in = *ports_in_ops();
	struct rte_swx_port_out_ops out = *ports_out_ops();
	int error;

	ports->swx = swx;
	error = rte_swx_pipeline_port_in_type_register(swx, PORT_TYPE, &in);

	if (!error)
		error = rte_swx_pipeline_port_out_type_register(swx, PORT_TYPE, &out);
	for (uint32_t i = 0; !error && i < ports->count; i++)
		error = rte_swx_pipeline_port_in_config(swx, i, PORT_TYPE, &ports->slots[i]);
	/* SWX adds a last one of its own, for what the program drops. */
	for (uint32_t i = 0; !error && i < ports->count + 1; i++)
		error = rte_swx_pipeline_port_out_config(swx, i, PORT_TYPE, &ports->slots[i]);
	if (error)
		return fault_set(fault, STATUS_FAILED, "cannot configure the ports: %s", strerror(-error));
	return STATUS_OK;
}

static enum status
take_slot(struct port *port, enum port_kind kind, const char *name, struct fault *fault)
{
	if (port->kind != PORT_EMPTY)
		return fault_set(fault, STATUS_EXISTS, "port %u is %s already", port->index, port->name);
	port->kind = kind;
	port->stats = (struct port_stats){0};
	strncpy(port->name, name, sizeof(port->name) - 1);
	return STATUS_OK;
}

enum status
port_attach_device(struct port *port, const char *arguments, struct fault *fault)
{
	enum status status = STATUS_OK;

	if (port->kind != PORT_EMPTY)
		return fault_set(fault, STATUS_EXISTS, "port %u is %s already", port->index, port->name);
	status = device_open(arguments, port->ports->pool, &port->device, fault);
	if (status == STATUS_OK) {
		take_slot(port, PORT_DEVICE, arguments, fault);
		port->ports->devices++;
	}
	return status;
}

enum status
port_attach_descriptor(struct port *port, int descriptor, const char *name, struct fault *fault)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = port->index};
	enum status status = take_slot(port, PORT_DESCRIPTOR, name, fault);

	if (status != STATUS_OK) {
		close(descriptor);
		return status;
	}
	port->descriptor = descriptor;
	if (epoll_ctl(port->ports->epoll, EPOLL_CTL_ADD, descriptor, &event) < 0) {
		status = fault_set(fault, STATUS_BAD_REQUEST, "port %s: the descriptor cannot be watched: %s", name,
				   strerror(errno));
		port_detach(port);
	}
	return status;
}

enum status
port_attach_memory(struct port *port, const char *name, struct fault *fault)
{
	enum status status = take_slot(port, PORT_MEMORY, name, fault);

	if (status != STATUS_OK)
		return status;
	port->in = calloc(1, sizeof(*port->in));
	port->out = calloc(1, sizeof(*port->out));
	if (port->in && port->out)
		return STATUS_OK;
	port_detach(port);
	return fault_set(fault, STATUS_FAILED, "no memory for port %s", name);
}

static void
queue_free(struct port_queue *queue)
{
	struct rte_mbuf *packet;

	while (queue && (packet = port_queue_pop(queue)))
		rte_pktmbuf_free(packet);
	free(queue);
}

void
port_detach(struct port *port)
{
	while (port->rx_at < port->rx_count)
		rte_pktmbuf_free(port->rx[port->rx_at++]);
	switch (port->kind) {
	case PORT_DEVICE:
		port_flush(port);
		device_close(port->device);
		port->ports->devices--;
		break;
	case PORT_DESCRIPTOR:
		epoll_ctl(port->ports->epoll, EPOLL_CTL_DEL, port->descriptor, NULL);
		close(port->descriptor);
		break;
	case PORT_MEMORY:
		queue_free(port->in);
		queue_free(port->out);
		port->in = port->out = NULL;
		break;
	case PORT_EMPTY:
		break;
	}
	port->kind = PORT_EMPTY;
	port->descriptor = -1;
	port->ready = false;
	atomic_store(&port->lost, false);
	port->mtu = 0;
	port->rx_at = port->rx_count = 0;
	port->name[0] = 0;
}

void
ports_tell(const struct ports *ports)
{
	uint64_t one = 1;

	(void)!write(ports->events, &one, sizeof(one));
}

bool
ports_poll(struct ports *ports)
{
	struct epoll_event events[EVENTS];
	int count = epoll_wait(ports->epoll, events, EVENTS, 0);

	for (int i = 0; i < count; i++)
		if (events[i].data.u32 < ports->count)
			ports->slots[events[i].data.u32].ready = true;
	return count > 0;
}
