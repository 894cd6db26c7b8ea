#include "wire.h"

#include <stdlib.h>
#include <string.h>

#include <rte_byteorder.h>

const uint8_t *
read_bytes(struct reader *reader, size_t length)
{
	const uint8_t *bytes = reader->at;

	if ((size_t)(reader->end - reader->at) < length) {
		reader->short_read = true;
		reader->at = reader->end;
		return NULL;
	}
	reader->at += length;
	return bytes;
}

uint8_t
read_u8(struct reader *reader)
{
	const uint8_t *bytes = read_bytes(reader, 1);

	return bytes ? bytes[0] : 0;
}

uint16_t
read_u16(struct reader *reader)
{
	const uint8_t *bytes = read_bytes(reader, sizeof(uint16_t));
	uint16_t value = 0;

	if (bytes)
		memcpy(&value, bytes, sizeof(value));
	return rte_le_to_cpu_16(value);
}

uint32_t
read_u32(struct reader *reader)
{
	const uint8_t *bytes = read_bytes(reader, sizeof(uint32_t));
	uint32_t value = 0;

	if (bytes)
		memcpy(&value, bytes, sizeof(value));
	return rte_le_to_cpu_32(value);
}

uint64_t
read_u64(struct reader *reader)
{
	const uint8_t *bytes = read_bytes(reader, sizeof(uint64_t));
	uint64_t value = 0;

	if (bytes)
		memcpy(&value, bytes, sizeof(value));
	return rte_le_to_cpu_64(value);
}

void
read_text(struct reader *reader, char *text, size_t size)
{
	size_t length = read_u16(reader);
	const uint8_t *bytes = read_bytes(reader, length);

	text[0] = 0;
	if (!bytes || length >= size || memchr(bytes, 0, length)) {
		reader->short_read = true;
		return;
	}
	memcpy(text, bytes, length);
	text[length] = 0;
}

static uint8_t *
reserve(struct writer *writer, size_t length)
{
	if (writer->failed)
		return NULL;
	if (writer->capacity - writer->length < length) {
		size_t capacity = writer->capacity ? writer->capacity : 256;
		uint8_t *data;

		while (capacity - writer->length < length)
			capacity *= 2;
		data = realloc(writer->data, capacity);
		if (!data) {
			writer->failed = true;
			return NULL;
		}
		writer->data = data;
		writer->capacity = capacity;
	}
	writer->length += length;
	return &writer->data[writer->length - length];
}

void
write_bytes(struct writer *writer, const void *data, size_t length)
{
	uint8_t *place = reserve(writer, length);

	if (place && length)
		memcpy(place, data, length);
}

void
write_u8(struct writer *writer, uint8_t value)
{
	write_bytes(writer, &value, sizeof(value));
}

void
write_u16(struct writer *writer, uint16_t value)
{
	value = rte_cpu_to_le_16(value);
	write_bytes(writer, &value, sizeof(value));
}

void
write_u32(struct writer *writer, uint32_t value)
{
	value = rte_cpu_to_le_32(value);
	write_bytes(writer, &value, sizeof(value));
}

void
write_u64(struct writer *writer, uint64_t value)
{
	value = rte_cpu_to_le_64(value);
	write_bytes(writer, &value, sizeof(value));
}

void
write_text(struct writer *writer, const char *text)
{
	size_t length = strlen(text);

	if (length > UINT16_MAX)
		length = UINT16_MAX;
	write_u16(writer, (uint16_t)length);
	write_bytes(writer, text, length);
}

void
patch_u32(struct writer *writer, size_t at, uint32_t value)
{
	value = rte_cpu_to_le_32(value);
	if (!writer->failed)
		memcpy(&writer->data[at], &value, sizeof(value));
}

void
writer_free(struct writer *writer)
{
	free(writer->data);
	*writer = (struct writer){0};
}
