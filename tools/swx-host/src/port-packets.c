/* Packets through the slots: what SWX calls. */

#include "port.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_ethdev.h>
#include <rte_swx_port.h>

#include "replay.h"

/*
 * SWX does not check lengths when it extracts a header. Behind a packet that is shorter than this come zeros, not
 * what an earlier packet left there.
 */
#define ZERO_BELOW 192

static bool
queue_push(struct port_queue *queue, struct rte_mbuf *packet)
{
	if (queue->count == PORT_QUEUE)
		return false;
	queue->packets[(queue->first + queue->count++) % PORT_QUEUE] = packet;
	return true;
}

struct rte_mbuf *
port_queue_pop(struct port_queue *queue)
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
lose_descriptor(struct port *port)
{
	epoll_ctl(port->ports->epoll, EPOLL_CTL_DEL, port->descriptor, NULL);
	atomic_store(&port->lost, true);
	ports_tell(port->ports);
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
	port->rx[0] = port_queue_pop(port->in);
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

void
port_flush(struct port *port)
{
	uint32_t sent = 0;

	while (sent < port->tx_count) {
		uint16_t count = rte_eth_tx_burst(port->device, 0, &port->tx[sent], (uint16_t)(port->tx_count - sent));

		if (!count)
			break;
		port->stats.tx_packets += count;
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
			port_flush(port);
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
		port_flush(port);
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

static const struct rte_swx_port_in_ops slot_in = {
	.create = slot_create,
	.free = slot_free,
	.pkt_rx = slot_receive,
	.stats_read = slot_in_stats,
};

static const struct rte_swx_port_out_ops slot_out = {
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

/* Packets of a port in memory, for tests. */
bool
port_inject(struct port *port, struct rte_mbuf *packet)
{
	return queue_push(port->in, packet);
}

struct rte_mbuf *
port_take(struct port *port)
{
	return port_queue_pop(port->out);
}
