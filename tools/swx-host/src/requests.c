#include "requests.h"

#include <unistd.h>

#include <rte_version.h>

#include "server.h"
#include "session.h"

enum status
request_too_short(struct fault *fault)
{
	return fault_set(fault, STATUS_BAD_REQUEST, "the message ends within a change");
}

enum status
request_end(const struct reader *in, struct fault *fault)
{
	if (in->short_read)
		return fault_set(fault, STATUS_BAD_REQUEST, "the message is too short, or a text in it too long");
	if (in->at != in->end)
		return fault_set(fault, STATUS_BAD_REQUEST, "the message is %td bytes too long", in->end - in->at);
	return STATUS_OK;
}

static enum status
hello(struct host *host, struct session *session, struct reader *in, struct writer *out, struct fault *fault)
{
	uint32_t magic = read_u32(in);
	uint16_t version = read_u16(in);
	enum status status = request_end(in, fault);

	if (status != STATUS_OK)
		return status;
	if (magic != PROTOCOL_MAGIC)
		return fault_set(fault, STATUS_BAD_REQUEST, "this is swx-host; the client speaks something else");
	session->greeted = true;
	session->version = version;
	write_u16(out, PROTOCOL_VERSION);
	write_text(out, "dpdk");
	write_text(out, rte_version());
	write_u32(out, (uint32_t)getpid());
	write_u32(out, host->ports.count);
	write_u8(out, host->started);
	write_u8(out, host->is_compiled);
	write_text(out, host->interpreted.text);
	return STATUS_OK;
}

/* What never changes, so that clients of any version can take the ports away and end this process. */
static bool
is_stable(uint16_t operation)
{
	return operation == OPERATION_STOP || operation == OPERATION_LIST_PORTS || operation == OPERATION_TAKE_PORT;
}

/* Answered once the thread that runs packets has come to a rest: it would not, if it hung. */
static enum status
ping(struct host *host)
{
	worker_pause(&host->worker);
	worker_resume(&host->worker);
	return STATUS_OK;
}

enum status
request_handle(struct host *host, struct session *session, uint16_t operation, struct reader *in, struct writer *out,
	       struct fault *fault)
{
	if (operation == OPERATION_HELLO)
		return hello(host, session, in, out, fault);
	if (!session->greeted)
		return fault_set(fault, STATUS_BAD_REQUEST, "the first message must be HELLO");
	if (session->version != PROTOCOL_VERSION && !is_stable(operation))
		return fault_set(fault, STATUS_UNSUPPORTED, "the client speaks version %u, this swx-host version %u",
				 session->version, PROTOCOL_VERSION);
	switch ((enum operation)operation) {
	case OPERATION_HELLO:
		break;
	case OPERATION_DESCRIBE:
		return request_describe(host, out);
	case OPERATION_BATCH:
		return request_batch(host, session, in, fault);
	case OPERATION_COMMIT:
		return request_commit(host, session, fault);
	case OPERATION_ABORT:
		return request_abort(host, session, fault);
	case OPERATION_READ_REGISTERS:
		return request_read_registers(host, in, out, fault);
	case OPERATION_READ_COUNTERS:
		return request_read_counters(host, in, out, fault);
	case OPERATION_READ_METERS:
		return request_read_meters(host, in, out, fault);
	case OPERATION_STATISTICS:
		return request_statistics(host, out, fault);
	case OPERATION_ADD_PORT:
		return request_add_port(host, session, in, fault);
	case OPERATION_REMOVE_PORT:
		return request_remove_port(host, in, fault);
	case OPERATION_INJECT:
		return request_inject(host, in, out, fault);
	case OPERATION_RECEIVE:
		return request_receive(host, out);
	case OPERATION_REPLAY:
		return request_replay(host, in, out, fault);
	case OPERATION_START:
		if (!host->started)
			worker_resume(&host->worker);
		host->started = true;
		return STATUS_OK;
	case OPERATION_STOP:
		server_stop();
		return STATUS_OK;
	case OPERATION_PING:
		return ping(host);
	case OPERATION_WATCH:
		session->watches = true;
		ports_tell(&host->ports);
		return STATUS_OK;
	case OPERATION_LIST_PORTS:
		return request_list_ports(host, out);
	case OPERATION_TAKE_PORT:
		return request_take_port(host, session, in, fault);
	case OPERATION_LIST_ENTRIES:
		return request_list_entries(host, in, out, fault);
	case OPERATION_READ_DEFAULTS:
		return request_read_defaults(host, out);
	case OPERATION_LIST_GROUPS:
		return request_list_groups(host, in, out, fault);
	case OPERATION_LIST_NOTES:
		return request_list_notes(host, in, out, fault);
	case OPERATION_READ_NOTE:
		return request_read_note(host, in, out, fault);
	case OPERATION_LIST_LEARNED:
		return request_list_learned(host, in, out, fault);
	case OPERATION_READ_LEARNED:
		return request_read_learned(host, in, out, fault);
	case OPERATION_COUNT_LEARNED:
		return request_count_learned(host, in, out, fault);
	case OPERATION_READ_TIMEOUTS:
		return request_read_timeouts(host, in, out, fault);
	case OPERATION_TRACE:
		return fault_set(fault, STATUS_UNSUPPORTED,
				 "packets on DPDK cannot be traced; the engine can (dataplane: engine)");
	}
	return fault_set(fault, STATUS_UNSUPPORTED, "no operation %u", operation);
}
