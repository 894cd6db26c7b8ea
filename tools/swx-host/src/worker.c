#define _GNU_SOURCE
#include "worker.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <rte_lcore.h>
#include <rte_log.h>

/* Instructions in one go: some 10 to 50 us, which bounds how long a pause waits. */
#define RUN_INSTRUCTIONS 4096
#define DRAIN_INSTRUCTIONS 256
/* Instructions after which a packet that is still on its way must be in an endless loop. */
#define DRAIN_LIMIT (64u << 20)
/* Goes without packets before it sleeps. */
#define IDLE_RUNS 16
/* How long it may take to go round once, and how often it is asked, in microseconds. */
#define SETTLE_US 1000000
#define SETTLE_STEP_US 10

void
worker_drain(struct worker *worker)
{
	struct ports *ports = worker->ports;
	uint32_t spent = 0;

	while (ports_in_flight(ports) && spent < DRAIN_LIMIT) {
		rte_swx_pipeline_run(worker->swx, DRAIN_INSTRUCTIONS);
		spent += DRAIN_INSTRUCTIONS;
	}
	if (ports_in_flight(ports))
		rte_panic("the program does not end: a packet has taken %u instructions\n", DRAIN_LIMIT);
	rte_swx_pipeline_flush(worker->swx);
}

static void
rest(struct worker *worker)
{
	struct ports *ports = worker->ports;

	ports->closed = true;
	worker_drain(worker);
	pthread_mutex_lock(&worker->mutex);
	worker->paused = true;
	atomic_store(&worker->idle, true);
	pthread_cond_broadcast(&worker->changed);
	while (atomic_load(&worker->wanted) && !atomic_load(&worker->stopped))
		pthread_cond_wait(&worker->changed, &worker->mutex);
	atomic_store(&worker->idle, false);
	worker->paused = false;
	pthread_mutex_unlock(&worker->mutex);
	ports->closed = false;
}

/* Sleeps until a descriptor has something to read, or, with devices that cannot tell, for a moment. */
static void
sleep_idle(struct worker *worker)
{
	struct pollfd wait[] = {
		{.fd = worker->ports->epoll, .events = POLLIN},
		{.fd = worker->wake, .events = POLLIN},
	};
	struct timespec timeout = {.tv_nsec = (long)worker->options.sleep_us * 1000};
	uint64_t ignored;

	atomic_fetch_add(&worker->sleeps, 1);
	atomic_store(&worker->idle, true);
	if (ppoll(wait, 2, worker->ports->devices ? &timeout : NULL, NULL) > 0 && (wait[1].revents & POLLIN))
		(void)!read(worker->wake, &ignored, sizeof(ignored));
	atomic_store(&worker->idle, false);
}

static void *
run(void *argument)
{
	struct worker *worker = argument;
	struct ports *ports = worker->ports;
	uint64_t received = 0;
	unsigned long turn = 0;
	uint32_t idle = 0;
	cpu_set_t set;

	if (rte_thread_register())
		RTE_LOG(WARNING, USER1, "the worker has no cache of packet buffers\n");
	if (worker->options.cpu >= 0) {
		CPU_ZERO(&set);
		CPU_SET(worker->options.cpu, &set);
		if (sched_setaffinity(0, sizeof(set), &set))
			RTE_LOG(WARNING, USER1, "cannot stay on CPU %d: %s\n", worker->options.cpu, strerror(errno));
	}
	if (worker->options.nice && setpriority(PRIO_PROCESS, (id_t)gettid(), worker->options.nice))
		RTE_LOG(WARNING, USER1, "cannot set the priority %d: %s\n", worker->options.nice, strerror(errno));
	while (!atomic_load(&worker->stopped)) {
		atomic_store_explicit(&worker->turns, ++turn, memory_order_release);
		if (atomic_load(&worker->wanted)) {
			rest(worker);
			continue;
		}
		ports_poll(ports);
		rte_swx_pipeline_run(worker->swx, RUN_INSTRUCTIONS);
		rte_swx_pipeline_flush(worker->swx);
		idle = ports->received == received && !ports_in_flight(ports) ? idle + 1 : 0;
		received = ports->received;
		if (idle > IDLE_RUNS && !worker->options.busy && !atomic_load(&worker->wanted))
			sleep_idle(worker);
	}
	rte_thread_unregister();
	return NULL;
}

static void
wake(struct worker *worker)
{
	uint64_t one = 1;

	(void)!write(worker->wake, &one, sizeof(one));
}

enum status
worker_start(struct worker *worker, struct rte_swx_pipeline *swx, struct ports *ports,
	     const struct worker_options *options, struct fault *fault)
{
	int error;

	worker->swx = swx;
	worker->ports = ports;
	worker->options = *options;
	worker->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&worker->mutex, NULL);
	pthread_cond_init(&worker->changed, NULL);
	error = worker->wake < 0 ? errno : pthread_create(&worker->thread, NULL, run, worker);
	if (error)
		return fault_set(fault, STATUS_FAILED, "cannot start the worker: %s", strerror(error));
	(void)pthread_setname_np(worker->thread, "swx-worker");
	return STATUS_OK;
}

void
worker_pause(struct worker *worker)
{
	atomic_fetch_add(&worker->wanted, 1);
	wake(worker);
	pthread_mutex_lock(&worker->mutex);
	while (!worker->paused)
		pthread_cond_wait(&worker->changed, &worker->mutex);
	pthread_mutex_unlock(&worker->mutex);
}

void
worker_resume(struct worker *worker)
{
	pthread_mutex_lock(&worker->mutex);
	atomic_fetch_sub(&worker->wanted, 1);
	pthread_cond_broadcast(&worker->changed);
	pthread_mutex_unlock(&worker->mutex);
}

bool
worker_settle(struct worker *worker)
{
	unsigned long turn = atomic_load(&worker->turns);

	for (uint32_t waited = 0; waited < SETTLE_US; waited += SETTLE_STEP_US) {
		if (atomic_load(&worker->idle) || atomic_load(&worker->turns) != turn)
			return true;
		usleep(SETTLE_STEP_US);
	}
	return false;
}

void
worker_stop(struct worker *worker)
{
	pthread_mutex_lock(&worker->mutex);
	atomic_store(&worker->stopped, true);
	pthread_cond_broadcast(&worker->changed);
	pthread_mutex_unlock(&worker->mutex);
	wake(worker);
	pthread_join(worker->thread, NULL);
}
