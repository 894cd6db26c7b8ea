#include "session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_byteorder.h>

#include "requests.h"

#define READ_SIZE (256u << 10)
/* Largest message: about a million table entries. */
#define MESSAGE_MAX (64u << 20)
/* What comes in front of a message: its length. */
#define LENGTH_SIZE 4
/* Sequence number and operation. */
#define HEADER_SIZE 6
/* Sequence number of what is no answer. */
#define EVENT_SEQUENCE UINT32_MAX

struct session *
session_create(int socket)
{
	struct session *session = calloc(1, sizeof(*session));

	if (session) {
		session->socket = socket;
		session->given = -1;
	}
	return session;
}

void
session_free(struct session *session, struct host *host)
{
	if (host->owner == session) {
		transaction_undo(&host->transaction, 0);
		host->owner = NULL;
	}
	for (uint32_t i = 0; i < session->n_descriptors; i++)
		close(session->descriptors[i]);
	close(session->socket);
	writer_free(&session->in);
	writer_free(&session->out);
	free(session);
}

int
session_take_descriptor(struct session *session)
{
	int descriptor = session->n_descriptors ? session->descriptors[0] : -1;

	if (session->n_descriptors) {
		session->n_descriptors--;
		memmove(session->descriptors, &session->descriptors[1],
			session->n_descriptors * sizeof(session->descriptors[0]));
	}
	return descriptor;
}

static void
keep_descriptors(struct session *session, const struct cmsghdr *control)
{
	size_t count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);

	for (size_t i = 0; i < count; i++) {
		int descriptor;

		memcpy(&descriptor, CMSG_DATA(control) + i * sizeof(int), sizeof(int));
		if (session->n_descriptors < SESSION_DESCRIPTORS)
			session->descriptors[session->n_descriptors++] = descriptor;
		else
			close(descriptor);
	}
}

static ssize_t
receive(struct session *session, uint8_t *buffer)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(SESSION_DESCRIPTORS * sizeof(int))];
	} control;
	struct iovec part = {.iov_base = buffer, .iov_len = READ_SIZE};
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t length = recvmsg(session->socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

	if (length < 0)
		return length;
	for (struct cmsghdr *each = CMSG_FIRSTHDR(&message); each; each = CMSG_NXTHDR(&message, each))
		if (each->cmsg_level == SOL_SOCKET && each->cmsg_type == SCM_RIGHTS)
			keep_descriptors(session, each);
	return length;
}

/* Answers one message: length, sequence number, status, and what there is to tell, or why not. */
static void
answer(struct session *session, struct host *host, struct reader *message)
{
	struct writer *out = &session->out;
	struct fault fault = {.text = ""};
	size_t start = out->length, body;
	uint32_t sequence = read_u32(message);
	uint16_t operation = read_u16(message);
	enum status status;

	write_u32(out, 0);
	write_u32(out, sequence);
	write_u16(out, STATUS_OK);
	body = out->length;
	status = request_handle(host, session, operation, message, out, &fault);
	if (status != STATUS_OK && !out->failed) {
		uint16_t code = rte_cpu_to_le_16((uint16_t)status);

		out->length = body;
		memcpy(&out->data[body - sizeof(code)], &code, sizeof(code));
		write_text(out, fault.text);
	}
	patch_u32(out, start, (uint32_t)(out->length - start - LENGTH_SIZE));
}

/* Answers the messages that are there in full, and keeps the rest. */
static bool
answer_all(struct session *session, struct host *host)
{
	struct writer *in = &session->in;
	size_t at = 0;

	while (in->length - at >= LENGTH_SIZE) {
		struct reader prefix = {.at = &in->data[at], .end = &in->data[in->length]};
		uint32_t length = read_u32(&prefix);
		struct reader message = {.at = prefix.at};

		if (length < HEADER_SIZE || length > MESSAGE_MAX)
			return false;
		if (in->length - at - LENGTH_SIZE < length)
			break;
		message.end = prefix.at + length;
		answer(session, host, &message);
		at += LENGTH_SIZE + length;
	}
	if (at) {
		memmove(in->data, &in->data[at], in->length - at);
		in->length -= at;
	}
	return !session->out.failed;
}

bool
session_receive(struct session *session, struct host *host)
{
	static uint8_t buffer[READ_SIZE];
	ssize_t length = receive(session, buffer);

	if (length < 0)
		return errno == EAGAIN || errno == EINTR;
	if (length == 0)
		return false;
	write_bytes(&session->in, buffer, (size_t)length);
	return !session->in.failed && answer_all(session, host) && session_send(session);
}

void
session_tell(struct session *session, uint16_t event, uint16_t port)
{
	write_u32(&session->out, HEADER_SIZE + sizeof(port));
	write_u32(&session->out, EVENT_SEQUENCE);
	write_u16(&session->out, event);
	write_u16(&session->out, port);
}

/* Sends bytes, and the descriptor that is to go with them. */
static ssize_t
transmit(struct session *session, uint8_t *bytes, size_t length)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec part = {.iov_base = bytes, .iov_len = length};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	ssize_t sent;

	if (session->given >= 0) {
		struct cmsghdr *header = &control.align;

		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &session->given, sizeof(int));
	}
	sent = sendmsg(session->socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent >= 0)
		session->given = -1;
	return sent;
}

bool
session_has_output(const struct session *session)
{
	return session->sent < session->out.length;
}

bool
session_send(struct session *session)
{
	struct writer *out = &session->out;

	while (session->sent < out->length) {
		ssize_t length = transmit(session, &out->data[session->sent], out->length - session->sent);

		if (length < 0)
			return errno == EAGAIN || errno == EINTR;
		session->sent += (size_t)length;
	}
	out->length = 0;
	session->sent = 0;
	return true;
}
