#pragma once

/* Sends copies of given packets without end, as fast as they are taken: the source of measurements. */

#include <stdint.h>

#include <rte_mbuf.h>

#include "fault.h"
#include "wire.h"

struct replay;

/* Reads the packets: u16 count, then for each u16 place and u8 size of a number that grows with each copy, and a blob (u16 length). */
struct replay *replay_parse(struct reader *reader, struct fault *fault);
uint32_t replay_refill(struct replay *replay, struct rte_mempool *pool, struct rte_mbuf **packets, uint32_t count);
void replay_free(struct replay *replay);
