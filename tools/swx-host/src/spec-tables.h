#pragma once

/* Tables, learners and selectors of a specification. */

#include "spec-program.h"

enum status spec_table(struct spec_context *context, uint32_t line);
enum status spec_learner(struct spec_context *context, uint32_t line);
enum status spec_selector(struct spec_context *context, uint32_t line);
