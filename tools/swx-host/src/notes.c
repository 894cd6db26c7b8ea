#include "notes.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_BUCKETS 256

/* FNV-1a; keys lie anywhere in a message, which faster ones do not take. */
static uint32_t
hash_of(const uint8_t *key, uint16_t length)
{
	uint32_t hash = 2166136261u;

	for (uint32_t i = 0; i < length; i++)
		hash = (hash ^ key[i]) * 16777619u;
	return hash;
}

struct note *
note_create(const uint8_t *key, uint16_t key_length, const uint8_t *value, uint32_t length)
{
	struct note *note = malloc(sizeof(*note) + key_length + (size_t)length);

	if (!note)
		return NULL;
	note->next = NULL;
	note->hash = hash_of(key, key_length);
	note->length = length;
	note->key_length = key_length;
	memcpy(note->bytes, key, key_length);
	memcpy(&note->bytes[key_length], value, length);
	return note;
}

void
note_free(struct note *note)
{
	free(note);
}

const uint8_t *
note_value(const struct note *note)
{
	return &note->bytes[note->key_length];
}

struct note *
notes_find(const struct notes *notes, const uint8_t *key, uint16_t key_length)
{
	uint32_t hash = hash_of(key, key_length);
	struct note *note = notes->n_buckets ? notes->buckets[hash & (notes->n_buckets - 1)] : NULL;

	for (; note; note = note->next)
		if (note->hash == hash && note->key_length == key_length && !memcmp(note->bytes, key, key_length))
			return note;
	return NULL;
}

bool
notes_reserve(struct notes *notes)
{
	uint32_t n_buckets = notes->n_buckets ? notes->n_buckets * 2 : FIRST_BUCKETS;
	struct note **buckets;

	if (notes->count < notes->n_buckets)
		return true;
	buckets = calloc(n_buckets, sizeof(*buckets));
	if (!buckets)
		return false;
	for (uint32_t i = 0; i < notes->n_buckets; i++)
		for (struct note *note = notes->buckets[i], *next; note; note = next) {
			struct note **bucket = &buckets[note->hash & (n_buckets - 1)];

			next = note->next;
			note->next = *bucket;
			*bucket = note;
		}
	free(notes->buckets);
	notes->buckets = buckets;
	notes->n_buckets = n_buckets;
	return true;
}

void
notes_insert(struct notes *notes, struct note *note)
{
	struct note **bucket = &notes->buckets[note->hash & (notes->n_buckets - 1)];

	note->next = *bucket;
	*bucket = note;
	notes->count++;
}

void
notes_remove(struct notes *notes, struct note *note)
{
	struct note **link = &notes->buckets[note->hash & (notes->n_buckets - 1)];

	while (*link != note)
		link = &(*link)->next;
	*link = note->next;
	notes->count--;
}
