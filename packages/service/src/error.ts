import { typedError } from '@infra-offload/base';

/** A program that cannot run as it is configured: a setting, a file or an address. The message is one line that names it. */
export class ServiceError extends typedError<'CONFIG'>('ServiceError') {}
