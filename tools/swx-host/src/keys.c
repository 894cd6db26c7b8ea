#include "keys.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 64

static uint8_t *
slot(const struct keys *keys, size_t place)
{
	return &keys->slots[place * (keys->key_size + 1)];
}

static bool
grow(struct keys *keys, size_t place)
{
	size_t capacity = keys->capacity ? keys->capacity : FIRST_CAPACITY, stride = keys->key_size + 1;
	uint8_t *slots;

	while (capacity <= place)
		capacity *= 2;
	slots = realloc(keys->slots, capacity * stride);
	if (!slots)
		return false;
	memset(&slots[keys->capacity * stride], 0, (capacity - keys->capacity) * stride);
	keys->slots = slots;
	keys->capacity = (uint32_t)capacity;
	return true;
}

bool
keys_set(struct keys *keys, size_t place, const uint8_t *key)
{
	if (place >= keys->capacity && !grow(keys, place))
		return false;
	slot(keys, place)[0] = 1;
	memcpy(slot(keys, place) + 1, key, keys->key_size);
	return true;
}

void
keys_clear(struct keys *keys, size_t place)
{
	if (place < keys->capacity)
		slot(keys, place)[0] = 0;
}

const uint8_t *
keys_get(const struct keys *keys, uint32_t place)
{
	return place < keys->capacity && slot(keys, place)[0] ? slot(keys, place) + 1 : NULL;
}
