#pragma once

/* One client of the control socket. */

#include <stdbool.h>
#include <stdint.h>

#include "host.h"
#include "wire.h"

#define SESSION_DESCRIPTORS 64

struct session {
	int socket;
	bool greeted;
	/* The version of the protocol that it speaks. */
	uint16_t version;
	/* It wants to be told of events. */
	bool watches;
	/* A descriptor that goes with the next bytes, or -1. */
	int given;
	struct writer in;
	struct writer out;
	size_t sent;
	/* Descriptors that came with messages and were not asked for yet. */
	int descriptors[SESSION_DESCRIPTORS];
	uint32_t n_descriptors;
	struct session *next;
};

struct session *session_create(int socket);
/* Ends it; what it has staged is taken back. */
void session_free(struct session *session, struct host *host);
/* Reads and answers what there is to read. False when the session is over. */
bool session_receive(struct session *session, struct host *host);
/* Sends what the socket takes. False when the session is over. */
bool session_send(struct session *session);
bool session_has_output(const struct session *session);
/* Puts an event among what is to be sent. */
void session_tell(struct session *session, uint16_t event, uint16_t port);
/* The oldest descriptor that came, or -1. */
int session_take_descriptor(struct session *session);
