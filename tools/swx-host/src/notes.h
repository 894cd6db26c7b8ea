#pragma once

/* What clients keep with the tables: values by keys, of which this process knows nothing. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct note {
	struct note *next;
	uint32_t hash;
	uint32_t length;
	uint16_t key_length;
	/* The key, then the value. */
	uint8_t bytes[];
};

struct notes {
	struct note **buckets;
	uint32_t n_buckets;
	uint32_t count;
};

/* NULL when memory runs out. */
struct note *note_create(const uint8_t *key, uint16_t key_length, const uint8_t *value, uint32_t length);
void note_free(struct note *note);
const uint8_t *note_value(const struct note *note);

struct note *notes_find(const struct notes *notes, const uint8_t *key, uint16_t key_length);
/* Makes room for one more. False when memory runs out. */
bool notes_reserve(struct notes *notes);
/* The notes do not own what is in them. There must be room, and no note of the same key. */
void notes_insert(struct notes *notes, struct note *note);
void notes_remove(struct notes *notes, struct note *note);
