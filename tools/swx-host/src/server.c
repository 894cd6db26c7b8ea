#define _GNU_SOURCE
#include "server.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "session.h"

#define BACKLOG 128
#define MAX_SESSIONS 32
/* What is polled beside the sessions. */
#define FIXED 2
/* An event of the protocol: a port whose device is gone. */
#define EVENT_PORT_LOST 1

static volatile sig_atomic_t stopping;

static void
on_signal(int signal)
{
	(void)signal;
	stopping = 1;
}

void
server_stop(void)
{
	stopping = 1;
}

enum status
server_listen(const char *path, int *listener, struct fault *fault)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	mode_t mask;
	int error;

	if (strlen(path) >= sizeof(address.sun_path))
		return fault_set(fault, STATUS_BAD_REQUEST, "the path of the socket is too long: %s", path);
	strcpy(address.sun_path, path);
	*listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	unlink(path);
	mask = umask(077);
	error = *listener < 0 || bind(*listener, (struct sockaddr *)&address, sizeof(address)) || listen(*listener, BACKLOG);
	umask(mask);
	return error ? fault_set(fault, STATUS_FAILED, "cannot listen on %s: %s", path, strerror(errno)) : STATUS_OK;
}

static void
accept_session(int listener, struct session **sessions)
{
	int socket = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct session *session = socket < 0 ? NULL : session_create(socket);

	if (session) {
		session->next = *sessions;
		*sessions = session;
	} else if (socket >= 0) {
		close(socket);
	}
}

/* Whoever watches is told again of those that it knows, until it takes them away. */
static void
tell_all(const struct ports *ports, struct session *sessions)
{
	uint64_t ignored;

	(void)!read(ports->events, &ignored, sizeof(ignored));
	for (uint32_t i = 0; i < ports->count; i++)
		if (atomic_load(&ports->slots[i].lost))
			for (struct session *session = sessions; session; session = session->next)
				if (session->watches)
					session_tell(session, EVENT_PORT_LOST, (uint16_t)i);
}

/* Waits for something to do; the sessions follow the listener and the ports' events, in their order. */
static int
wait_for_work(int listener, int events, const struct session *sessions, struct pollfd *polled,
	      const sigset_t *signals)
{
	nfds_t count = FIXED;

	for (; sessions; sessions = sessions->next) {
		bool blocked = session_has_output(sessions);

		/* Who does not read its answers is not asked for more. */
		polled[count++] = (struct pollfd){.fd = sessions->socket, .events = blocked ? POLLOUT : POLLIN};
	}
	polled[0] = (struct pollfd){.fd = count < FIXED + MAX_SESSIONS ? listener : -1, .events = POLLIN};
	polled[1] = (struct pollfd){.fd = events, .events = POLLIN};
	return ppoll(polled, count, NULL, signals);
}

void
server_run(int listener, const char *path, struct host *host)
{
	struct sigaction action = {.sa_handler = on_signal};
	struct pollfd polled[FIXED + MAX_SESSIONS];
	struct session *sessions = NULL;
	sigset_t blocked, before;

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	/* Signals come in while it waits, and at no other time. */
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigaddset(&blocked, SIGINT);
	sigprocmask(SIG_BLOCK, &blocked, &before);
	while (!stopping) {
		struct session **link = &sessions;
		int ready = wait_for_work(listener, host->ports.events, sessions, polled, &before);

		if (ready <= 0)
			continue;
		for (nfds_t i = FIXED; *link; i++) {
			struct session *session = *link;
			short events = polled[i].revents;
			bool alive = true;

			if (events & POLLOUT)
				alive = session_send(session);
			else if (events)
				alive = session_receive(session, host);
			if (alive) {
				link = &session->next;
			} else {
				*link = session->next;
				session_free(session, host);
			}
		}
		if (polled[1].revents)
			tell_all(&host->ports, sessions);
		if (polled[0].revents)
			accept_session(listener, &sessions);
	}
	unlink(path);
	while (sessions) {
		struct session *session = sessions;

		sessions = session->next;
		(void)session_send(session);
		session_free(session, host);
	}
	close(listener);
}
