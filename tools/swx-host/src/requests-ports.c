/* Requests about ports and packets. */

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "replay.h"
#include "requests.h"
#include "session.h"

#define REPLAY_PORTS 64
#define REPLAY_MS_MAX 30000
#define REPLAY_INSTRUCTIONS 100000
#define FRAME_MAX 65535

static enum status
find_port(struct host *host, uint32_t id, struct port **port, struct fault *fault)
{
	if (id >= host->ports.count)
		return fault_set(fault, STATUS_NOT_FOUND, "no port %u: there are %u slots", id, host->ports.count);
	*port = &host->ports.slots[id];
	return STATUS_OK;
}

/* The port that a request is about; it says nothing else. */
static enum status
read_port(struct host *host, struct reader *in, struct port **port, struct fault *fault)
{
	uint32_t id = read_u16(in);
	enum status status = request_end(in, fault);

	return status == STATUS_OK ? find_port(host, id, port, fault) : status;
}

enum status
request_add_port(struct host *host, struct session *session, struct reader *in, struct fault *fault)
{
	char name[PORT_NAME_SIZE];
	uint32_t id = read_u16(in), mtu;
	uint8_t kind = read_u8(in);
	int descriptor = kind == PORT_DESCRIPTOR ? session_take_descriptor(session) : -1;
	struct port *port = NULL;
	enum status status;

	read_text(in, name, sizeof(name));
	mtu = read_u32(in);
	status = request_end(in, fault);
	if (status == STATUS_OK)
		status = find_port(host, id, &port, fault);
	if (status == STATUS_OK && kind == PORT_DESCRIPTOR && descriptor < 0)
		status = fault_set(fault, STATUS_BAD_REQUEST, "port %s: no descriptor came with the message", name);
	if (status != STATUS_OK) {
		if (descriptor >= 0)
			close(descriptor);
		return status;
	}
	worker_pause(&host->worker);
	switch (kind) {
	case PORT_DEVICE:
		status = port_attach_device(port, name, fault);
		break;
	case PORT_DESCRIPTOR:
		status = port_attach_descriptor(port, descriptor, name, fault);
		break;
	case PORT_MEMORY:
		status = port_attach_memory(port, name, fault);
		break;
	default:
		status = fault_set(fault, STATUS_BAD_REQUEST, "port %s: no kind %u", name, kind);
	}
	if (status == STATUS_OK)
		port->mtu = mtu;
	worker_resume(&host->worker);
	return status;
}

enum status
request_remove_port(struct host *host, struct reader *in, struct fault *fault)
{
	struct port *port = NULL;
	enum status status = read_port(host, in, &port, fault);

	if (status != STATUS_OK)
		return status;
	if (port->kind == PORT_EMPTY)
		return fault_set(fault, STATUS_NOT_FOUND, "there is no port %u", port->index);
	worker_pause(&host->worker);
	port_detach(port);
	worker_resume(&host->worker);
	return STATUS_OK;
}

void
request_write_ports(const struct ports *ports, void (*write_rest)(const struct port *port, struct writer *out),
		    struct writer *out)
{
	size_t place = out->length;
	uint32_t count = 0;

	write_u32(out, 0);
	for (uint32_t i = 0; i < ports->count; i++) {
		const struct port *port = &ports->slots[i];

		if (port->kind == PORT_EMPTY)
			continue;
		write_u16(out, (uint16_t)i);
		write_u8(out, (uint8_t)port->kind);
		write_text(out, port->name);
		write_rest(port, out);
		count++;
	}
	patch_u32(out, place, count);
}

static void
write_settings(const struct port *port, struct writer *out)
{
	write_u32(out, port->mtu);
	write_u8(out, atomic_load(&port->lost));
}

enum status
request_list_ports(struct host *host, struct writer *out)
{
	request_write_ports(&host->ports, write_settings, out);
	return STATUS_OK;
}

enum status
request_take_port(struct host *host, struct session *session, struct reader *in, struct fault *fault)
{
	struct port *port = NULL;
	enum status status = read_port(host, in, &port, fault);

	if (status != STATUS_OK)
		return status;
	if (port->kind != PORT_DESCRIPTOR)
		return fault_set(fault, STATUS_NOT_FOUND, "port %u has no descriptor", port->index);
	session->given = port->descriptor;
	return STATUS_OK;
}

static struct rte_mbuf *
make_packet(struct host *host, const uint8_t *bytes, uint32_t length)
{
	struct rte_mbuf *packet = rte_pktmbuf_alloc(host->ports.pool);

	if (!packet)
		return NULL;
	if (length > rte_pktmbuf_tailroom(packet)) {
		rte_pktmbuf_free(packet);
		return NULL;
	}
	memcpy(rte_pktmbuf_mtod(packet, void *), bytes, length);
	packet->data_len = (uint16_t)length;
	packet->pkt_len = length;
	return packet;
}

/* Writes what the ports in memory have; `cause` is the number of the packet that made them come. */
static uint32_t
collect(struct host *host, uint16_t cause, struct writer *out)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < host->ports.count; i++) {
		struct port *port = &host->ports.slots[i];
		struct rte_mbuf *packet;

		while (port->kind == PORT_MEMORY && (packet = port_take(port))) {
			write_u16(out, cause);
			write_u16(out, (uint16_t)i);
			write_u16(out, packet->data_len);
			write_bytes(out, rte_pktmbuf_mtod(packet, void *), packet->data_len);
			rte_pktmbuf_free(packet);
			count++;
		}
	}
	return count;
}

static enum status
inject_one(struct host *host, struct reader *in, struct fault *fault)
{
	uint32_t id = read_u16(in);
	uint16_t length = read_u16(in);
	const uint8_t *bytes = read_bytes(in, length);
	struct rte_mbuf *packet;
	struct port *port = NULL;
	enum status status = find_port(host, id, &port, fault);

	if (status != STATUS_OK)
		return status;
	if (!bytes || !length)
		return fault_set(fault, STATUS_BAD_REQUEST, "a packet without bytes");
	if (port->kind != PORT_MEMORY)
		return fault_set(fault, STATUS_BAD_REQUEST, "port %u is not a port in memory", id);
	packet = make_packet(host, bytes, length);
	if (!packet)
		return fault_set(fault, STATUS_NO_SPACE, "no buffer for a packet of %u bytes", length);
	if (!port_inject(port, packet)) {
		rte_pktmbuf_free(packet);
		return fault_set(fault, STATUS_NO_SPACE, "port %u is full", id);
	}
	/* Into the pipeline, and through it: one round of the input ports finds it. */
	for (uint64_t before = host->ports.received; host->ports.received == before;)
		rte_swx_pipeline_run(host->program.swx, host->ports.count);
	return STATUS_OK;
}

enum status
request_inject(struct host *host, struct reader *in, struct writer *out, struct fault *fault)
{
	uint32_t packets = read_u16(in), count = 0;
	size_t place = out->length;
	enum status status = STATUS_OK;

	write_u32(out, 0);
	worker_pause(&host->worker);
	host->ports.closed = false;
	for (uint32_t i = 0; status == STATUS_OK && i < packets; i++) {
		status = inject_one(host, in, fault);
		worker_drain(&host->worker);
		count += collect(host, (uint16_t)i, out);
	}
	host->ports.closed = true;
	worker_resume(&host->worker);
	patch_u32(out, place, count);
	return status == STATUS_OK ? request_end(in, fault) : status;
}

enum status
request_receive(struct host *host, struct writer *out)
{
	size_t place = out->length;

	write_u32(out, 0);
	worker_pause(&host->worker);
	patch_u32(out, place, collect(host, 0, out));
	worker_resume(&host->worker);
	return STATUS_OK;
}

static uint64_t
nanoseconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t
transmitted(const struct host *host)
{
	uint64_t count = 0;

	for (uint32_t i = 0; i < host->ports.count; i++)
		count += host->ports.slots[i].stats.tx_packets;
	return count;
}

static void
replay_run(struct host *host, uint32_t milliseconds, struct writer *out)
{
	struct ports *ports = &host->ports;
	uint64_t sent, received, dropped, start, cpu;

	ports->discard = true;
	ports->closed = false;
	sent = transmitted(host);
	received = ports->received;
	dropped = ports_dropped_count(ports);
	start = nanoseconds(CLOCK_MONOTONIC);
	cpu = nanoseconds(CLOCK_THREAD_CPUTIME_ID);
	do
		rte_swx_pipeline_run(host->program.swx, REPLAY_INSTRUCTIONS);
	while (nanoseconds(CLOCK_MONOTONIC) - start < (uint64_t)milliseconds * 1000000);
	/* On a machine that is shared, time that went to others says nothing. */
	write_u64(out, nanoseconds(CLOCK_THREAD_CPUTIME_ID) - cpu);
	write_u64(out, ports->received - received);
	write_u64(out, transmitted(host) - sent);
	write_u64(out, ports_dropped_count(ports) - dropped);
	ports->closed = true;
	worker_drain(&host->worker);
	ports->discard = false;
}

enum status
request_replay(struct host *host, struct reader *in, struct writer *out, struct fault *fault)
{
	struct port *ports[REPLAY_PORTS];
	uint32_t milliseconds = read_u32(in), wanted = read_u16(in), count = 0;
	enum status status = STATUS_OK;

	if (milliseconds > REPLAY_MS_MAX || wanted > REPLAY_PORTS)
		return fault_set(fault, STATUS_BAD_REQUEST, "replay: at most %d ms and %d ports", REPLAY_MS_MAX,
				 REPLAY_PORTS);
	/* The worker must not see a port that replays. */
	worker_pause(&host->worker);
	while (status == STATUS_OK && count < wanted) {
		struct port *port = NULL;

		status = find_port(host, read_u16(in), &port, fault);
		if (status == STATUS_OK && (port->kind != PORT_MEMORY || port->replay))
			status = fault_set(fault, STATUS_BAD_REQUEST, "replay: port %u is not a port in memory, or twice",
					   port->index);
		if (status != STATUS_OK)
			break;
		port->replay = replay_parse(in, fault);
		if (port->replay)
			ports[count++] = port;
		else
			status = STATUS_BAD_REQUEST;
	}
	if (status == STATUS_OK)
		status = request_end(in, fault);
	if (status == STATUS_OK)
		replay_run(host, milliseconds, out);
	for (uint32_t i = 0; i < count; i++) {
		replay_free(ports[i]->replay);
		ports[i]->replay = NULL;
		while (ports[i]->rx_at < ports[i]->rx_count)
			rte_pktmbuf_free(ports[i]->rx[ports[i]->rx_at++]);
	}
	worker_resume(&host->worker);
	return status;
}
