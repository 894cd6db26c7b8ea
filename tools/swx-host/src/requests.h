#pragma once

#include "host.h"
#include "wire.h"

/* What a client can ask for; the protocol is described in README.md. */
enum operation {
	OPERATION_HELLO = 1,
	OPERATION_DESCRIBE = 2,
	OPERATION_BATCH = 3,
	OPERATION_COMMIT = 4,
	OPERATION_ABORT = 5,
	OPERATION_READ_REGISTERS = 6,
	OPERATION_READ_COUNTERS = 7,
	OPERATION_STATISTICS = 8,
	OPERATION_ADD_PORT = 9,
	OPERATION_REMOVE_PORT = 10,
	OPERATION_INJECT = 11,
	OPERATION_RECEIVE = 12,
	OPERATION_REPLAY = 13,
	OPERATION_STOP = 14,
	OPERATION_START = 15,
	OPERATION_PING = 16,
	OPERATION_WATCH = 17,
	OPERATION_LIST_PORTS = 18,
	OPERATION_TAKE_PORT = 19,
	OPERATION_LIST_ENTRIES = 20,
	OPERATION_READ_DEFAULTS = 21,
	OPERATION_LIST_GROUPS = 22,
	OPERATION_LIST_NOTES = 23,
	OPERATION_READ_NOTE = 24,
	OPERATION_LIST_LEARNED = 25,
	OPERATION_TRACE = 26,
	OPERATION_READ_LEARNED = 27,
	OPERATION_COUNT_LEARNED = 28,
	OPERATION_READ_TIMEOUTS = 29,
	OPERATION_READ_METERS = 30,
};

#define PROTOCOL_MAGIC 0x48585753
#define PROTOCOL_VERSION 2

/* Does what a message asks for and writes the answer, or sets `fault`. */
enum status request_handle(struct host *host, struct session *session, uint16_t operation, struct reader *in,
			   struct writer *out, struct fault *fault);

/* The groups of requests. */
enum status request_describe(struct host *host, struct writer *out);
enum status request_batch(struct host *host, struct session *session, struct reader *in, struct fault *fault);
enum status request_commit(struct host *host, struct session *session, struct fault *fault);
enum status request_abort(struct host *host, struct session *session, struct fault *fault);
enum status request_read_registers(struct host *host, struct reader *in, struct writer *out, struct fault *fault);
enum status request_read_counters(struct host *host, struct reader *in, struct writer *out, struct fault *fault);
enum status request_read_meters(struct host *host, struct reader *in, struct writer *out, struct fault *fault);
enum status request_statistics(struct host *host, struct writer *out, struct fault *fault);
enum status request_add_port(struct host *host, struct session *session, struct reader *in, struct fault *fault);
enum status request_remove_port(struct host *host, struct reader *in, struct fault *fault);
enum status request_list_ports(struct host *host, struct writer *out);
enum status request_take_port(struct host *host, struct session *session, struct reader *in, struct fault *fault);
enum status request_inject(struct host *host, struct reader *in, struct writer *out, struct fault *fault);
enum status request_receive(struct host *host, struct writer *out);
enum status request_replay(struct host *host, struct reader *in, struct writer *out, struct fault *fault);

enum status request_list_entries(struct host *host, struct reader *in, struct writer *out, struct fault *fault);
enum status request_read_defaults(struct host *host, struct writer *out);
enum status request_list_groups(struct host *host, struct reader *in, struct writer *out, struct fault *fault);
enum status request_list_notes(struct host *host, struct reader *in, struct writer *out, struct fault *fault);
enum status request_read_note(struct host *host, struct reader *in, struct writer *out, struct fault *fault);

enum status request_list_learned(struct host *host, struct reader *in, struct writer *out, struct fault *fault);
enum status request_read_learned(struct host *host, struct reader *in, struct writer *out, struct fault *fault);
enum status request_count_learned(struct host *host, struct reader *in, struct writer *out, struct fault *fault);
enum status request_read_timeouts(struct host *host, struct reader *in, struct writer *out, struct fault *fault);

/* Changes of a batch. */
enum status request_change_meter(struct host *host, struct reader *in, struct fault *fault);
enum status request_change_meter_counts(struct host *host, struct reader *in, struct fault *fault);
/* BAD_REQUEST: the message ends within a change. */
enum status request_too_short(struct fault *fault);

/* Writes the ports that there are: number, kind and name of each, and what `write_rest` has to say of it. */
void request_write_ports(const struct ports *ports, void (*write_rest)(const struct port *port, struct writer *out),
			 struct writer *out);
/* BAD_REQUEST if a message was shorter or longer than what was read. */
enum status request_end(const struct reader *in, struct fault *fault);
