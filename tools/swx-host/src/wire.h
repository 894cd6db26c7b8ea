#pragma once

/* The encoding of the control protocol: little endian numbers, strings and blobs with a length in front. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads a message. Reading past its end yields zeros and sets `short_read`, which is checked once at the end. */
struct reader {
	const uint8_t *at;
	const uint8_t *end;
	bool short_read;
};

uint8_t read_u8(struct reader *reader);
uint16_t read_u16(struct reader *reader);
uint32_t read_u32(struct reader *reader);
uint64_t read_u64(struct reader *reader);
/* `length` bytes of the message itself, or NULL if it does not have them. */
const uint8_t *read_bytes(struct reader *reader, size_t length);
/* A string (u16 length) into `text` with a final zero; one that does not fit counts as a short read. */
void read_text(struct reader *reader, char *text, size_t size);

/* Grows as it is written to. When memory runs out, `failed` is set and what follows is lost. */
struct writer {
	uint8_t *data;
	size_t length;
	size_t capacity;
	bool failed;
};

void write_u8(struct writer *writer, uint8_t value);
void write_u16(struct writer *writer, uint16_t value);
void write_u32(struct writer *writer, uint32_t value);
void write_u64(struct writer *writer, uint64_t value);
void write_bytes(struct writer *writer, const void *data, size_t length);
void write_text(struct writer *writer, const char *text);
/* Puts a number where one was written before. */
void patch_u32(struct writer *writer, size_t at, uint32_t value);
void writer_free(struct writer *writer);
