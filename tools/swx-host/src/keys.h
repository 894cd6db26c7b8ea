#pragma once

/*
 * The keys of an exact table by the places of their entries. DPDK's own table finds an entry by its key, but does not
 * tell which keys it has.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct keys {
	uint32_t key_size;
	uint32_t capacity;
	/* For each place: whether it is taken, and the key. */
	uint8_t *slots;
};

/* False when memory runs out. A place that was taken before never needs any. */
bool keys_set(struct keys *keys, size_t place, const uint8_t *key);
void keys_clear(struct keys *keys, size_t place);
/* The key at a place, or NULL. */
const uint8_t *keys_get(const struct keys *keys, uint32_t place);
