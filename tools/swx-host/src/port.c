#include "port.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_ethdev.h>
#include <rte_swx_ctl.h>
#include <rte_swx_port.h>

#include "device.h"
#include "replay.h"

#define PORT_TYPE "slot"
/*
 * SWX does not check lengths when it extracts a header. Behind a packet that is shorter than this come zeros, not
 * what an earlier packet left there.
 */
#define ZERO_BELOW 192
#define EVENTS 64

static bool
queue_push(struct port_queue *queue, struct rte_mbuf *packet)
{
	if (queue->count == PORT_QUEUE)
		return false;
	queue->packets[(queue->first + queue->count++) % PORT_QUEUE] = packet;
	return true;
}

static struct rte_mbuf *
queue_pop(struct port_queue *queue)
{
	struct rte_mbuf *packet;

	if (!queue->count)
		return NULL;
	packet = queue->packets[queue->first];
	queue->first = (queue->first + 1) % PORT_QUEUE;
	queue->count--;
	return packet;
}

/* A device that is gone would be ready for ever. Its owner is told, who may replace it. */
static void
lose_descriptor(const struct port *port)
{
	epoll_ctl(port->ports->epoll, EPOLL_CTL_DEL, port->descriptor, NULL);
	printf("swx-host port-lost %u\n", port->index);
	fflush(stdout);
}

static uint32_t
refill_descriptor(struct port *port)
{
	uint32_t count = 0;

	if (!port->ready)
		return 0;
	while (count < PORT_BURST) {
		struct rte_mbuf *packet = rte_pktmbuf_alloc(port->ports->pool);
		ssize_t length;

		if (!packet)
			break;
		length = read(port->descriptor, rte_pktmbuf_mtod(packet, void *), rte_pktmbuf_tailroom(packet));
		if (length <= 0) {
			rte_pktmbuf_free(packet);
			port->ready = false;
			if (length < 0 && errno != EAGAIN && errno != EINTR)
				lose_descriptor(port);
			break;
		}
		packet->data_len = (uint16_t)length;
		packet->pkt_len = (uint32_t)length;
		port->rx[count++] = packet;
	}
	return count;
}

static uint32_t
refill_memory(struct port *port)
{
	if (port->replay)
		return replay_refill(port->replay, port->ports->pool, port->rx, PORT_BURST);
	port->rx[0] = queue_pop(port->in);
	return port->rx[0] ? 1 : 0;
}

/* Asks where the packets come from for more. */
static bool
refill(struct port *port)
{
	port->rx_at = 0;
	port->rx_count = 0;
	switch (port->kind) {
	case PORT_EMPTY:
		break;
	case PORT_DEVICE:
		port->rx_count = rte_eth_rx_burst(port->device, 0, port->rx, PORT_BURST);
		break;
	case PORT_DESCRIPTOR:
		port->rx_count = refill_descriptor(port);
		break;
	case PORT_MEMORY:
		port->rx_count = refill_memory(port);
		break;
	}
	return port->rx_count > 0;
}

static int
slot_receive(void *object, struct rte_swx_pkt *packet)
{
	struct port *port = object;
	struct ports *ports = port->ports;
	struct rte_mbuf *mbuf;

	if (port->kind == PORT_EMPTY || ports->closed)
		return 0;
	if (port->rx_at == port->rx_count && !refill(port))
		return 0;
	mbuf = port->rx[port->rx_at++];
	if (mbuf->data_len < ZERO_BELOW)
		memset(rte_pktmbuf_mtod_offset(mbuf, uint8_t *, mbuf->data_len), 0, ZERO_BELOW - mbuf->data_len);
	packet->handle = mbuf;
	packet->pkt = mbuf->buf_addr;
	packet->offset = mbuf->data_off;
	packet->length = mbuf->pkt_len;
	port->stats.rx_packets++;
	port->stats.rx_bytes += mbuf->pkt_len;
	ports->received++;
	return 1;
}

static void
flush_device(struct port *port)
{
	uint32_t sent = 0;

	while (sent < port->tx_count) {
		uint16_t count = rte_eth_tx_burst(port->device, 0, &port->tx[sent], (uint16_t)(port->tx_count - sent));

		if (!count)
			break;
		for (uint16_t i = 0; i < count; i++)
			port->stats.tx_packets++;
		sent += count;
	}
	for (uint32_t i = sent; i < port->tx_count; i++) {
		port->stats.tx_errors++;
		port->stats.tx_bytes -= port->tx[i]->pkt_len;
		rte_pktmbuf_free(port->tx[i]);
	}
	port->tx_count = 0;
}

static void
transmit(struct port *port, struct rte_mbuf *packet)
{
	uint32_t length = packet->pkt_len;
	bool sent = true;

	switch (port->kind) {
	case PORT_DEVICE:
		/* Counted in full when the device has taken it. */
		port->stats.tx_bytes += length;
		port->tx[port->tx_count++] = packet;
		if (port->tx_count == PORT_BURST)
			flush_device(port);
		return;
	case PORT_DESCRIPTOR:
		sent = write(port->descriptor, rte_pktmbuf_mtod(packet, void *), length) == (ssize_t)length;
		rte_pktmbuf_free(packet);
		break;
	case PORT_MEMORY:
		if (port->ports->discard || !(sent = queue_push(port->out, packet)))
			rte_pktmbuf_free(packet);
		break;
	case PORT_EMPTY:
		rte_pktmbuf_free(packet);
		break;
	}
	if (sent) {
		port->stats.tx_packets++;
		port->stats.tx_bytes += length;
	} else {
		port->stats.tx_errors++;
	}
}

/* Tells the buffer what the pipeline made of the packet. False if nothing of it is left. */
static bool
adopt(struct rte_mbuf *mbuf, const struct rte_swx_pkt *packet)
{
	uint32_t room = mbuf->buf_len > packet->offset ? mbuf->buf_len - packet->offset : 0;

	if (packet->length == 0 || packet->length > room)
		return false;
	mbuf->data_off = (uint16_t)packet->offset;
	mbuf->data_len = (uint16_t)packet->length;
	mbuf->pkt_len = packet->length;
	return true;
}

static void
slot_transmit(void *object, struct rte_swx_pkt *packet)
{
	struct port *port = object;
	struct ports *ports = port->ports;
	struct rte_mbuf *mbuf = packet->handle;

	ports->left++;
	if (port->kind == PORT_EMPTY && port->index < ports->count)
		port = &ports->slots[ports_unknown(ports)];
	if (adopt(mbuf, packet)) {
		transmit(port, mbuf);
		return;
	}
	ports->malformed++;
	rte_pktmbuf_free(mbuf);
}

static void
slot_transmit_copy(void *object, struct rte_swx_pkt *packet, uint32_t length)
{
	struct port *port = object;
	struct rte_mbuf *mbuf = packet->handle, *copy;

	if (!adopt(mbuf, packet))
		return;
	copy = rte_pktmbuf_copy(mbuf, mbuf->pool, 0, length);
	if (copy)
		transmit(port, copy);
	else
		port->stats.tx_errors++;
}

static void
slot_transmit_whole_copy(void *object, struct rte_swx_pkt *packet)
{
	slot_transmit_copy(object, packet, UINT32_MAX);
}

static void
slot_flush(void *object)
{
	struct port *port = object;

	if (port->tx_count)
		flush_device(port);
}

static void *
slot_create(void *argument)
{
	return argument;
}

/* The slots are not SWX's to free. */
static void
slot_free(void *object)
{
	RTE_SET_USED(object);
}

static void
slot_in_stats(void *object, struct rte_swx_port_in_stats *stats)
{
	const struct port *port = object;

	*stats = (struct rte_swx_port_in_stats){
		.n_pkts = port->stats.rx_packets,
		.n_bytes = port->stats.rx_bytes,
	};
}

static void
slot_out_stats(void *object, struct rte_swx_port_out_stats *stats)
{
	const struct port *port = object;

	*stats = (struct rte_swx_port_out_stats){
		.n_pkts = port->stats.tx_packets,
		.n_bytes = port->stats.tx_bytes,
		.n_pkts_drop = port->stats.tx_errors,
	};
}

static struct rte_swx_port_in_ops slot_in = {
	.create = slot_create,
	.free = slot_free,
	.pkt_rx = slot_receive,
	.stats_read = slot_in_stats,
};

static struct rte_swx_port_out_ops slot_out = {
	.create = slot_create,
	.free = slot_free,
	.pkt_tx = slot_transmit,
	.pkt_fast_clone_tx = slot_transmit_whole_copy,
	.pkt_clone_tx = slot_transmit_copy,
	.flush = slot_flush,
	.stats_read = slot_out_stats,
};

const struct rte_swx_port_in_ops *
ports_in_ops(void)
{
	return &slot_in;
}

const struct rte_swx_port_out_ops *
ports_out_ops(void)
{
	return &slot_out;
}

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
	if (!ports->slots || ports->epoll < 0)
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
	int error;

	ports->swx = swx;
	error = rte_swx_pipeline_port_in_type_register(swx, PORT_TYPE, &slot_in);

	if (!error)
		error = rte_swx_pipeline_port_out_type_register(swx, PORT_TYPE, &slot_out);
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

	while (queue && (packet = queue_pop(queue)))
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
		flush_device(port);
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
	port->rx_at = port->rx_count = 0;
	port->name[0] = 0;
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

/* Packets of a port in memory, for tests. */
bool
port_inject(struct port *port, struct rte_mbuf *packet)
{
	return queue_push(port->in, packet);
}

struct rte_mbuf *
port_take(struct port *port)
{
	return queue_pop(port->out);
}
