#pragma once

/* Devices of DPDK: `net_tap0,iface=...`, `net_af_packet0,iface=...`, `net_memif0,...`, or a PCI address. */

#include <stdint.h>

#include <rte_mempool.h>

#include "fault.h"

/* Probes and starts a device with one queue in each direction, promiscuous. */
enum status device_open(const char *arguments, struct rte_mempool *pool, uint16_t *device, struct fault *fault);
void device_close(uint16_t device);
