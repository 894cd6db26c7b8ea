#pragma once

/* The members of one group of a selector. */

#include <stdint.h>

#include "wire.h"

struct group;
struct member;

struct group *group_create(const struct member *members, uint32_t count);
void group_free(struct group *group);
/* Writes how many members there are, and each with its weight, in their order. */
void group_write(const struct group *group, struct writer *out);
/* Gives the group to a selector of DPDK; NULL empties it. A negative errno if DPDK refuses it. */
int group_put(void *selector, uint32_t id, struct group *group);
