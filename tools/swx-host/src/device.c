#include "device.h"

#include <errno.h>
#include <string.h>

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

#define QUEUE_SIZE 512

static enum status
start(uint16_t device, const char *arguments, struct rte_mempool *pool, struct fault *fault)
{
	struct rte_eth_conf configuration = {0};
	uint16_t rx_size = QUEUE_SIZE, tx_size = QUEUE_SIZE;
	int socket = rte_eth_dev_socket_id(device);
	unsigned int node = socket < 0 ? 0 : (unsigned int)socket;
	const char *step = "configure";
	int error = rte_eth_dev_configure(device, 1, 1, &configuration);

	if (!error) {
		step = "set up the queues of";
		error = rte_eth_dev_adjust_nb_rx_tx_desc(device, &rx_size, &tx_size);
	}
	if (!error)
		error = rte_eth_rx_queue_setup(device, 0, rx_size, node, NULL, pool);
	if (!error)
		error = rte_eth_tx_queue_setup(device, 0, tx_size, node, NULL);
	if (!error) {
		step = "start";
		error = rte_eth_dev_start(device);
	}
	if (error)
		return fault_set(fault, STATUS_FAILED, "cannot %s the device %s: %s", step, arguments, strerror(-error));
	/* A switch takes packets for any address. Not every device can be asked. */
	(void)rte_eth_promiscuous_enable(device);
	return STATUS_OK;
}

enum status
device_open(const char *arguments, struct rte_mempool *pool, uint16_t *device, struct fault *fault)
{
	struct rte_dev_iterator iterator;
	uint16_t found = RTE_MAX_ETHPORTS;
	enum status status;
	int error = rte_dev_probe(arguments);

	if (error)
		return fault_set(fault, error == -EEXIST ? STATUS_EXISTS : STATUS_FAILED, "cannot open the device %s: %s",
				 arguments, strerror(-error));
	RTE_ETH_FOREACH_MATCHING_DEV(found, arguments, &iterator) {
		rte_eth_iterator_cleanup(&iterator);
		break;
	}
	if (found == RTE_MAX_ETHPORTS)
		return fault_set(fault, STATUS_FAILED, "the device %s is not an Ethernet device", arguments);
	status = start(found, arguments, pool, fault);
	if (status == STATUS_OK)
		*device = found;
	else
		device_close(found);
	return status;
}

void
device_close(uint16_t device)
{
	struct rte_eth_dev_info info;
	int error = rte_eth_dev_info_get(device, &info);

	(void)rte_eth_dev_stop(device);
	(void)rte_eth_dev_close(device);
	if (!error)
		(void)rte_dev_remove(info.device);
}
