#pragma once

/* Between the protocol, where every number is in network byte order, and SWX, where it depends on the field. */

#include <stdint.h>

#include "program.h"
#include "wire.h"

/* Reads a key, or a mask, of `table->key_bytes` into `key` of `table->params.key_size`. */
void layout_key(struct reader *reader, const struct table *table, uint8_t *key);
/* Reads the arguments of an action into `data`. */
void layout_arguments(struct reader *reader, const struct action *action, uint8_t *data);
/* The reverse of both. */
void layout_write_key(struct writer *writer, const struct table *table, const uint8_t *key);
void layout_write_arguments(struct writer *writer, const struct action *action, const uint8_t *data);
