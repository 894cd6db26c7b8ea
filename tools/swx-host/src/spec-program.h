#pragma once

/* Statements of a specification other than tables. Each configures the pipeline with the statement at a line. */

#include <rte_swx_pipeline.h>

#include "spec-rewrite.h"
#include "spec-text.h"

struct spec_context {
	struct rte_swx_pipeline *swx;
	struct spec_text text;
	struct rewriter rewriter;
	struct fault *fault;
};

enum status spec_struct(struct spec_context *context, uint32_t line);
enum status spec_header(struct spec_context *context, uint32_t line);
enum status spec_metadata(struct spec_context *context, uint32_t line);
enum status spec_register_array(struct spec_context *context, uint32_t line);
enum status spec_meter_array(struct spec_context *context, uint32_t line);
enum status spec_action(struct spec_context *context, uint32_t line);
enum status spec_apply(struct spec_context *context, uint32_t line);

/* OK, or a fault at the line with what DPDK says. */
enum status spec_result(struct spec_context *context, uint32_t line, int error);
