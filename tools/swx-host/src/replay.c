#include "replay.h"

#include <stdlib.h>
#include <string.h>

#include <rte_byteorder.h>

#define FRAME_SIZE 2048

struct frame {
	uint16_t length;
	/* Where the growing number stands, in network byte order, and its bytes: 0, 2 or 4. */
	uint16_t place;
	uint8_t size;
	uint32_t number;
	uint8_t bytes[FRAME_SIZE];
};

struct replay {
	uint32_t count;
	uint32_t next;
	struct frame frames[];
};

static enum status
parse_frame(struct reader *reader, struct frame *frame, struct fault *fault)
{
	const uint8_t *bytes;
	uint32_t wide = 0;
	uint16_t narrow = 0;

	frame->place = read_u16(reader);
	frame->size = read_u8(reader);
	frame->length = read_u16(reader);
	bytes = read_bytes(reader, frame->length);
	if (!bytes || frame->length == 0 || frame->length > FRAME_SIZE)
		return fault_set(fault, STATUS_BAD_REQUEST, "replay: a packet has 1 to %d bytes", FRAME_SIZE);
	if ((frame->size != 0 && frame->size != 2 && frame->size != 4) || frame->place + frame->size > frame->length)
		return fault_set(fault, STATUS_BAD_REQUEST, "replay: a number has 0, 2 or 4 bytes within its packet");
	memcpy(frame->bytes, bytes, frame->length);
	if (frame->size == 4)
		memcpy(&wide, &bytes[frame->place], 4);
	else if (frame->size == 2)
		memcpy(&narrow, &bytes[frame->place], 2);
	frame->number = frame->size == 4 ? rte_be_to_cpu_32(wide) : rte_be_to_cpu_16(narrow);
	return STATUS_OK;
}

struct replay *
replay_parse(struct reader *reader, struct fault *fault)
{
	uint32_t count = read_u16(reader);
	struct replay *replay = calloc(1, sizeof(*replay) + count * sizeof(struct frame));

	if (!replay || !count) {
		fault_set(fault, STATUS_BAD_REQUEST, "replay: no packets, or no memory for %u", count);
		free(replay);
		return NULL;
	}
	replay->count = count;
	for (uint32_t i = 0; i < count; i++) {
		if (parse_frame(reader, &replay->frames[i], fault) != STATUS_OK) {
			free(replay);
			return NULL;
		}
	}
	return replay;
}

static void
copy(struct frame *frame, struct rte_mbuf *packet)
{
	uint8_t *bytes = rte_pktmbuf_mtod(packet, uint8_t *);

	memcpy(bytes, frame->bytes, frame->length);
	if (frame->size == 4) {
		uint32_t number = rte_cpu_to_be_32(frame->number++);

		memcpy(&bytes[frame->place], &number, sizeof(number));
	} else if (frame->size == 2) {
		uint16_t number = rte_cpu_to_be_16((uint16_t)frame->number++);

		memcpy(&bytes[frame->place], &number, sizeof(number));
	}
	packet->data_len = frame->length;
	packet->pkt_len = frame->length;
}

uint32_t
replay_refill(struct replay *replay, struct rte_mempool *pool, struct rte_mbuf **packets, uint32_t count)
{
	if (rte_pktmbuf_alloc_bulk(pool, packets, count))
		return 0;
	for (uint32_t i = 0; i < count; i++) {
		copy(&replay->frames[replay->next], packets[i]);
		replay->next = replay->next + 1 == replay->count ? 0 : replay->next + 1;
	}
	return count;
}

void
replay_free(struct replay *replay)
{
	free(replay);
}
