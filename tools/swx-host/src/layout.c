#include "layout.h"

#include <string.h>

#include <rte_byteorder.h>

/* Where byte `i` of a field in the protocol is in the field of SWX. */
static uint32_t
place_of(const struct field *field, uint32_t i)
{
#if RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN
	return field->offset + (field->host_order ? field->bytes - 1 - i : i);
#else
	return field->offset + i;
#endif
}

static void
layout_field(struct reader *reader, const struct field *field, uint8_t *to)
{
	const uint8_t *from = read_bytes(reader, field->bytes);

	for (uint32_t i = 0; from && i < field->bytes; i++)
		to[place_of(field, i)] = from[i];
}

static void
write_field(struct writer *writer, const struct field *field, const uint8_t *from)
{
	for (uint32_t i = 0; i < field->bytes; i++)
		write_u8(writer, from[place_of(field, i)]);
}

void
layout_key(struct reader *reader, const struct table *table, uint8_t *key)
{
	memset(key, 0, table->params.key_size);
	for (uint32_t i = 0; i < table->n_fields; i++)
		layout_field(reader, &table->fields[i], key);
}

void
layout_arguments(struct reader *reader, const struct action *action, uint8_t *data)
{
	for (uint32_t i = 0; i < action->n_arguments; i++)
		layout_field(reader, &action->arguments[i], data);
}

void
layout_write_key(struct writer *writer, const struct table *table, const uint8_t *key)
{
	for (uint32_t i = 0; i < table->n_fields; i++)
		write_field(writer, &table->fields[i], key);
}

void
layout_write_arguments(struct writer *writer, const struct action *action, const uint8_t *data)
{
	for (uint32_t i = 0; i < action->n_arguments; i++)
		write_field(writer, &action->arguments[i], data);
}
