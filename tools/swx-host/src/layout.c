#include "layout.h"

#include <string.h>

#include <rte_byteorder.h>

static void
layout_field(struct reader *reader, const struct field *field, uint8_t *to)
{
	const uint8_t *from = read_bytes(reader, field->bytes);

	if (!from)
		return;
	for (uint32_t i = 0; i < field->bytes; i++) {
#if RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN
		uint32_t place = field->host_order ? field->bytes - 1 - i : i;
#else
		uint32_t place = i;
#endif
		to[field->offset + place] = from[i];
	}
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
