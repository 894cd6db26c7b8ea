#include "program.h"

#include <stdlib.h>
#include <string.h>

#include "compile.h"
#include "describe.h"
#include "spec.h"

#define PIPELINE_NAME "pipeline0"

static enum status
build_pipeline(struct program *program, struct ports *ports, const char *file, struct fault *fault)
{
	int error = rte_swx_pipeline_config(&program->swx, PIPELINE_NAME, program->node);
	enum status status;

	if (error)
		return fault_set(fault, STATUS_FAILED, "cannot make a pipeline: %s", strerror(-error));
	status = ports_configure(ports, program->swx, fault);
	if (status == STATUS_OK)
		status = spec_configure(program->swx, file, ports_unknown(ports), fault);
	if (status != STATUS_OK)
		return status;
	error = rte_swx_pipeline_build(program->swx);
	return error ? fault_set(fault, STATUS_NO_SPACE, "%s cannot be built (%s): most likely there is not enough memory",
				 file, strerror(-error))
		     : STATUS_OK;
}

static bool
table_is_incremental(const struct table *table)
{
	return !table->is_stub && table->ops.add;
}

/* The second copy of a table's state. Learners, and tables that are built anew, have one object only. */
static enum status
copy_state(struct program *program, struct table *table, bool is_learner, struct fault *fault)
{
	const struct rte_swx_table_state *live = &program->live[table->state];
	struct rte_swx_table_state *staged = &program->staged[table->state];
	uint32_t size = table->params.action_data_size;

	*staged = *live;
	staged->default_action_data = calloc(1, size ? size : 1);
	if (!staged->default_action_data)
		return fault_set(fault, STATUS_FAILED, "no memory for table %s", table->name);
	if (size && live->default_action_data)
		memcpy(staged->default_action_data, live->default_action_data, size);
	if (is_learner || !table_is_incremental(table))
		return STATUS_OK;
	staged->obj = table->ops.create(&table->params, NULL, table->args, program->node);
	return staged->obj ? STATUS_OK
			   : fault_set(fault, STATUS_NO_SPACE, "no memory for a second copy of table %s", table->name);
}

static enum status
copy_states(struct program *program, struct fault *fault)
{
	uint32_t n_states = program->n_tables + program->n_selectors + program->n_learners;
	enum status status = STATUS_OK;

	if (rte_swx_pipeline_table_state_get(program->swx, &program->live))
		return fault_set(fault, STATUS_FAILED, "the pipeline has no table state");
	program->staged = calloc(n_states ? n_states : 1, sizeof(*program->staged));
	if (!program->staged)
		return fault_set(fault, STATUS_FAILED, "no memory for the state of %u tables", n_states);
	for (uint32_t i = 0; status == STATUS_OK && i < program->n_tables; i++)
		status = copy_state(program, &program->tables[i], false, fault);
	for (uint32_t i = 0; status == STATUS_OK && i < program->n_learners; i++) {
		struct table *learner = &program->learners[i];

		status = copy_state(program, learner, true, fault);
		learned_describe(learner, program->live[learner->state].obj);
	}
	for (uint32_t i = 0; status == STATUS_OK && i < program->n_selectors; i++)
		status = describe_selector_copy(program, i, fault);
	return status;
}

enum status
program_build(struct program *program, struct ports *ports, const char *spec, const char *library, struct fault *fault)
{
	enum status status = library ? compile_load(&program->swx, PIPELINE_NAME, program->node, ports, spec, library, fault)
				     : build_pipeline(program, ports, spec, fault);

	if (status == STATUS_OK)
		status = describe_program(program, fault);
	if (status == STATUS_OK)
		status = copy_states(program, fault);
	return status;
}
