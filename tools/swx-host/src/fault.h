#pragma once

/* What a request came to; the numbers are part of the protocol. */
enum status {
	STATUS_OK = 0,
	STATUS_BAD_REQUEST = 1,
	STATUS_NOT_FOUND = 2,
	STATUS_NO_SPACE = 3,
	STATUS_BUSY = 4,
	STATUS_FAILED = 5,
	STATUS_UNSUPPORTED = 6,
	STATUS_EXISTS = 7,
};

/* Why something failed, in words for the operator. */
struct fault {
	char text[240];
};

/* Writes the reason and returns `status`, so that a caller can say `return fault_set(fault, STATUS_X, "...")`. */
enum status fault_set(struct fault *fault, enum status status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
