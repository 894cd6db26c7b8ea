#pragma once

/*
 * The ports of the pipeline. SWX fixes its ports when the pipeline is built, and wants a power of two of them, so the
 * pipeline is given slots: a slot is empty or holds a device of DPDK, a file descriptor (a TAP device that somebody
 * else made) or a queue in memory, and that may change while packets flow. Only the thread that runs the pipeline
 * touches the slots; others pause it first (worker.h).
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_mbuf.h>
#include <rte_swx_pipeline.h>

#include "fault.h"

/* Packets that a device is asked for, or given, at once. */
#define PORT_BURST 32
/* Packets that a port in memory keeps in each direction. */
#define PORT_QUEUE 1024
#define PORT_NAME_SIZE 128

enum port_kind {
	PORT_EMPTY = 0,
	PORT_DEVICE = 1,
	PORT_DESCRIPTOR = 2,
	PORT_MEMORY = 3,
};

struct port_stats {
	uint64_t rx_packets;
	uint64_t rx_bytes;
	uint64_t tx_packets;
	uint64_t tx_bytes;
	/* Packets that the device did not take: queue full, link down, too long. */
	uint64_t tx_errors;
};

/* A first-in first-out queue of packets. */
struct port_queue {
	struct rte_mbuf *packets[PORT_QUEUE];
	uint32_t first;
	uint32_t count;
};

struct replay;
struct ports;

struct port {
	struct ports *ports;
	enum port_kind kind;
	/* The descriptor may have something to read. */
	bool ready;
	uint16_t device;
	int descriptor;
	uint32_t rx_at;
	uint32_t rx_count;
	uint32_t tx_count;
	struct rte_mbuf *rx[PORT_BURST];
	struct rte_mbuf *tx[PORT_BURST];
	struct port_queue *in;
	struct port_queue *out;
	/* Makes packets without end, for measurements. */
	struct replay *replay;
	struct port_stats stats;
	uint32_t index;
	/* As the client has it; nothing here depends on it. */
	uint32_t mtu;
	/* The device behind the descriptor is gone. */
	atomic_bool lost;
	char name[PORT_NAME_SIZE];
};

struct ports {
	/* `count` slots, then the one for packets to ports that do not exist. */
	struct port *slots;
	uint32_t count;
	struct rte_mempool *pool;
	/* Lets no packet in, so that those on their way can come to an end. */
	bool closed;
	struct rte_swx_pipeline *swx;
	/* Ports in memory count what comes out and throw it away. */
	bool discard;
	/* Packets that were let in, and that have left through a slot. */
	uint64_t received;
	uint64_t left;
	/* Watches the descriptors. */
	int epoll;
	/* An eventfd that tells of ports that were lost. */
	int events;
	uint32_t devices;
	/* Packets that were shorter than the headers they claim, and have nothing left. */
	uint64_t malformed;
};

enum status ports_init(struct ports *ports, uint32_t count, struct rte_mempool *pool, struct fault *fault);
/* Tells the pipeline of the slots, before it is built. */
enum status ports_configure(struct ports *ports, struct rte_swx_pipeline *swx, struct fault *fault);
/* What SWX does with a slot; `create` takes the slot itself. */
const struct rte_swx_port_in_ops *ports_in_ops(void);
const struct rte_swx_port_out_ops *ports_out_ops(void);
/* The number of the slot for packets that name a port which does not exist. */
uint32_t ports_unknown(const struct ports *ports);
/* Packets to ports that do not exist. */
uint64_t ports_unknown_count(const struct ports *ports);
/* Packets that the program has dropped: they go to a port that SWX adds itself. */
uint64_t ports_dropped_count(const struct ports *ports);
/* Packets that were let in and have not left or been dropped. */
uint64_t ports_in_flight(const struct ports *ports);

enum status port_attach_device(struct port *port, const char *arguments, struct fault *fault);
/* Takes the descriptor over, also when it fails. */
enum status port_attach_descriptor(struct port *port, int descriptor, const char *name, struct fault *fault);
enum status port_attach_memory(struct port *port, const char *name, struct fault *fault);
void port_detach(struct port *port);

/* Has the clients told which ports are lost. */
void ports_tell(const struct ports *ports);
/* Marks descriptors that have something to read; returns whether there are any. */
bool ports_poll(struct ports *ports);

/* The next packet of a queue, or NULL. */
struct rte_mbuf *port_queue_pop(struct port_queue *queue);
/* Sends what a device port has gathered. */
void port_flush(struct port *port);
/* Ports in memory: puts a packet in, takes one that came out (NULL: none). */
bool port_inject(struct port *port, struct rte_mbuf *packet);
struct rte_mbuf *port_take(struct port *port);
