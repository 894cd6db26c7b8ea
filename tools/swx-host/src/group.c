#include "group.h"

#include <stdlib.h>

#include <rte_swx_table_selector.h>

#include "transaction.h"

struct group {
	struct rte_swx_table_selector_group group;
	uint32_t count;
	struct rte_swx_table_selector_member members[];
};

struct group *
group_create(const struct member *members, uint32_t count)
{
	struct group *group = calloc(1, sizeof(*group) + count * sizeof(group->members[0]));

	if (!group)
		return NULL;
	TAILQ_INIT(&group->group.members);
	group->count = count;
	for (uint32_t i = 0; i < count; i++) {
		group->members[i].member_id = members[i].id;
		group->members[i].member_weight = members[i].weight;
		TAILQ_INSERT_TAIL(&group->group.members, &group->members[i], node);
	}
	return group;
}

void
group_write(const struct group *group, struct writer *out)
{
	write_u16(out, (uint16_t)group->count);
	for (uint32_t i = 0; i < group->count; i++) {
		write_u32(out, group->members[i].member_id);
		write_u32(out, group->members[i].member_weight);
	}
}

void
group_free(struct group *group)
{
	free(group);
}

int
group_put(void *selector, uint32_t id, struct group *group)
{
	struct rte_swx_table_selector_group none;

	TAILQ_INIT(&none.members);
	return rte_swx_table_selector_group_set(selector, id, group ? &group->group : &none);
}
