#pragma once

/*
 * A SWX program as a pipeline of DPDK, and what there is in it to write to. Everything that the control protocol names
 * is named by its place here: tables, learners, selectors, register arrays, meter arrays and actions
 * count from 0.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_swx_ctl.h>
#include <rte_swx_pipeline.h>
#include <rte_swx_table.h>
#include <rte_swx_table_selector.h>

#include "fault.h"
#include "keys.h"
#include "learned.h"
#include "meters.h"
#include "port.h"

#define NAME_SIZE RTE_SWX_CTL_NAME_SIZE

/* A field of a key or an argument of an action. The protocol has all numbers in network byte order. */
struct field {
	char name[NAME_SIZE];
	uint32_t bytes;
	/* Where it is in the key, or in the action's data. */
	uint32_t offset;
	/* SWX keeps it in host byte order. */
	bool host_order;
	enum rte_swx_table_match_type match;
};

struct action {
	char name[NAME_SIZE];
	struct field *arguments;
	uint32_t n_arguments;
	/* Bytes of all arguments. */
	uint32_t size;
};

struct action_use {
	uint32_t action;
	bool in_entries;
	bool in_default;
};

struct rules;

/* A table, or a learner: those have no entries to write, and fields without names. */
struct table {
	char name[NAME_SIZE];
	/* Its place in the state of the pipeline. */
	uint32_t state;
	struct field *fields;
	uint32_t n_fields;
	/* Bytes of the key in the protocol, without what is between the fields. */
	uint32_t key_bytes;
	struct action_use *actions;
	uint32_t n_actions;
	bool default_is_const;
	/* It has no key: only a default action. */
	bool is_stub;
	bool is_exact;
	uint32_t entries;
	struct rte_swx_table_params params;
	struct rte_swx_table_ops ops;
	char args[NAME_SIZE];
	/* Of an exact table: the keys, so that they can be told. */
	struct keys keys;
	/* The entries, if it has to be built anew for each change (rules.h). */
	struct rules *rules;
	/* Mailbox for look-ups of ours. */
	void *mailbox;
	/* Only for learners. */
	uint32_t n_timeouts;
	struct learned learned;
};

struct group;

struct selector {
	char name[NAME_SIZE];
	uint32_t state;
	uint32_t n_groups;
	uint32_t n_slots;
	/* What each group has, or NULL. */
	struct group **groups;
};

struct register_array {
	char name[NAME_SIZE];
	uint32_t size;
};

struct program {
	struct rte_swx_pipeline *swx;
	struct action *actions;
	uint32_t n_actions;
	struct table *tables;
	uint32_t n_tables;
	struct table *learners;
	uint32_t n_learners;
	struct selector *selectors;
	uint32_t n_selectors;
	struct register_array *registers;
	uint32_t n_registers;
	struct meters meters;
	/* What packets see, and the copy that changes are made to first. */
	struct rte_swx_table_state *live;
	struct rte_swx_table_state *staged;
	int node;
};

/* Builds the pipeline: from the specification, or, unless it is NULL, from a library that was compiled from it. */
enum status program_build(struct program *program, struct ports *ports, const char *spec, const char *library,
			  struct fault *fault);
