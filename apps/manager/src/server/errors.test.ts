import { status } from '@grpc/grpc-js';
import { P4rtError } from '@infra-offload/p4rt';
import { expect, it } from 'vitest';
import { ManagerError } from '../errors.js';
import { toServiceError } from './errors.js';

const RPC = { address: 'x', method: 'Read', grpcCode: 2, serverMessage: '' };

it.each<[unknown, status]>([
  [new ManagerError('INVALID_OBJECT', 'why'), status.INVALID_ARGUMENT],
  [new ManagerError('PROTOCOL', 'why'), status.INVALID_ARGUMENT],
  [new ManagerError('CONFLICT', 'why'), status.ALREADY_EXISTS],
  [new ManagerError('NOT_FOUND', 'why'), status.NOT_FOUND],
  [new ManagerError('EXHAUSTED', 'why'), status.RESOURCE_EXHAUSTED],
  [new ManagerError('TARGET_UNAVAILABLE', 'why'), status.UNAVAILABLE],
  [new ManagerError('UNSUPPORTED', 'why'), status.UNIMPLEMENTED],
  [new ManagerError('CANCELLED', 'why'), status.CANCELLED],
  [new ManagerError('REJECTED', 'why'), status.INTERNAL],
  [new P4rtError('UNAVAILABLE', 'why', { details: RPC }), status.UNAVAILABLE],
  [new P4rtError('DEADLINE_EXCEEDED', 'why', { details: RPC }), status.UNAVAILABLE],
  [new P4rtError('CANCELLED', 'why', { details: RPC }), status.UNAVAILABLE],
  [new P4rtError('NOT_FOUND', 'why', { details: RPC }), status.INTERNAL],
  [new Error('why'), status.INTERNAL],
  ['why', status.INTERNAL],
])('%s is told with a status', (error, code) => {
  expect(toServiceError(error)).toMatchObject({ code, details: 'why', message: 'why' });
});
