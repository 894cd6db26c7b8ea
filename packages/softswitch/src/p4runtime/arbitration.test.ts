import { status } from '@grpc/grpc-js';
import type { MasterArbitrationUpdate, Role } from '@infra-offload/p4rt/proto';
import { describe, expect, it } from 'vitest';
import { SoftswitchError } from '../errors.js';
import { Arbitration, MAX_CONTROLLERS_PER_ROLE, MAX_ROLE_NAME, MAX_VACANT_ROLES } from './arbitration.js';

const DEVICE = 1n;

class Controller {
  readonly received: MasterArbitrationUpdate[] = [];
  notify(update: MasterArbitrationUpdate): void {
    this.received.push(update);
  }
  /** Status code and election id of the messages since the last call. */
  take(): { code: number | undefined; electionId: bigint | undefined }[] {
    return this.received.splice(0).map(({ status: state, electionId }) => ({
      code: state?.code,
      electionId: electionId && (electionId.high << 64n) + electionId.low,
    }));
  }
}

function hello(
  electionId: bigint | undefined,
  role?: Partial<Role>,
  deviceId = DEVICE,
): MasterArbitrationUpdate {
  return {
    deviceId,
    role: role && { id: 0n, name: '', config: undefined, ...role },
    electionId:
      electionId === undefined ? undefined : { high: electionId >> 64n, low: BigInt.asUintN(64, electionId) },
    status: undefined,
  };
}

function write(electionId: bigint | undefined, role: { role?: string; roleId?: bigint } = {}) {
  return { role: '', roleId: 0n, electionId: hello(electionId).electionId, ...role };
}

function codeOf(action: () => void): string {
  try {
    action();
  } catch (error) {
    if (SoftswitchError.is(error)) return error.code;
    throw error;
  }
  return 'OK';
}

describe('arbitration', () => {
  it('A1 the first controller with an election id becomes primary and is told so with OK', () => {
    const arbitration = new Arbitration(DEVICE);
    const a = new Controller();
    arbitration.update(a, hello(7n));
    expect(a.take()).toEqual([{ code: status.OK, electionId: 7n }]);
    expect(arbitration.isPrimary(a)).toBe(true);
  });

  it('A2 a lower election id is a backup: ALREADY_EXISTS with the highest id, and nobody else is told', () => {
    const arbitration = new Arbitration(DEVICE);
    const [a, b] = [new Controller(), new Controller()];
    arbitration.update(a, hello(7n));
    a.take();
    arbitration.update(b, hello(3n));
    expect(b.take()).toEqual([{ code: status.ALREADY_EXISTS, electionId: 7n }]);
    expect(a.take()).toEqual([]);
  });

  it('A3 a higher election id takes over, and everybody is told, the new primary last', () => {
    const arbitration = new Arbitration(DEVICE);
    const order: string[] = [];
    const [a, b] = [new Controller(), new Controller()];
    arbitration.update(a, hello(7n));
    a.take();
    const note = (who: string, controller: Controller) => ({
      notify: (update: MasterArbitrationUpdate) => {
        order.push(who);
        controller.notify(update);
      },
    });
    arbitration.leave(a);
    const [first, second] = [note('a', a), note('b', b)];
    arbitration.update(first, hello(7n));
    order.length = 0;
    a.take();
    arbitration.update(second, hello(1n << 100n));
    expect(a.take()).toEqual([{ code: status.ALREADY_EXISTS, electionId: 1n << 100n }]);
    expect(b.take()).toEqual([{ code: status.OK, electionId: 1n << 100n }]);
    expect(order).toEqual(['a', 'b']);
  });

  it('A4 when the primary leaves, the others get NOT_FOUND and none of them takes over by itself', () => {
    const arbitration = new Arbitration(DEVICE);
    const [a, b] = [new Controller(), new Controller()];
    arbitration.update(a, hello(7n));
    arbitration.update(b, hello(3n));
    b.take();
    arbitration.leave(a);
    expect(b.take()).toEqual([{ code: status.NOT_FOUND, electionId: 7n }]);
    expect(arbitration.isPrimary(b)).toBe(false);
    arbitration.update(b, hello(6n));
    expect(b.take()).toEqual([{ code: status.NOT_FOUND, electionId: 7n }]);
    arbitration.update(b, hello(7n));
    expect(b.take()).toEqual([{ code: status.OK, electionId: 7n }]);
  });

  it('A5 when a backup leaves, nobody is told', () => {
    const arbitration = new Arbitration(DEVICE);
    const [a, b] = [new Controller(), new Controller()];
    arbitration.update(a, hello(7n));
    arbitration.update(b, hello(3n));
    a.take();
    arbitration.leave(b);
    expect(a.take()).toEqual([]);
  });

  it('A6 a controller without election id never becomes primary', () => {
    const arbitration = new Arbitration(DEVICE);
    const a = new Controller();
    arbitration.update(a, hello(undefined));
    expect(a.take()).toEqual([{ code: status.NOT_FOUND, electionId: undefined }]);
    expect(codeOf(() => arbitration.authorize(write(undefined)))).toBe('PERMISSION_DENIED');
  });

  it('A7 an election id in use by another live controller of the role is INVALID_ARGUMENT', () => {
    const arbitration = new Arbitration(DEVICE);
    const [a, b, c] = [new Controller(), new Controller(), new Controller()];
    arbitration.update(a, hello(7n));
    expect(codeOf(() => arbitration.update(b, hello(7n)))).toBe('INVALID_ARGUMENT');
    arbitration.update(c, hello(8n));
    expect(codeOf(() => arbitration.update(c, hello(7n)))).toBe('INVALID_ARGUMENT');
    // In another role it is free, and so is it once its owner has gone.
    arbitration.update(b, hello(7n, { name: 'other' }));
    expect(arbitration.isPrimary(b)).toBe(true);
    arbitration.leave(a);
    expect(codeOf(() => arbitration.update(new Controller(), hello(7n)))).toBe('OK');
  });

  it('A8 an unknown device is NOT_FOUND, another device on the same stream FAILED_PRECONDITION', () => {
    const arbitration = new Arbitration(DEVICE);
    const a = new Controller();
    expect(codeOf(() => arbitration.update(a, hello(7n, undefined, 2n)))).toBe('NOT_FOUND');
    arbitration.update(a, hello(7n));
    expect(codeOf(() => arbitration.update(a, hello(7n, undefined, 2n)))).toBe('FAILED_PRECONDITION');
  });

  it('A9 another role on the same stream is FAILED_PRECONDITION', () => {
    const arbitration = new Arbitration(DEVICE);
    const a = new Controller();
    arbitration.update(a, hello(7n, { name: 'one' }));
    expect(codeOf(() => arbitration.update(a, hello(7n, { name: 'two' })))).toBe('FAILED_PRECONDITION');
    expect(codeOf(() => arbitration.update(a, hello(7n)))).toBe('FAILED_PRECONDITION');
  });

  it('A10 each role has a primary of its own; roles are told apart by name or by id', () => {
    const arbitration = new Arbitration(DEVICE);
    const [a, b, c] = [new Controller(), new Controller(), new Controller()];
    arbitration.update(a, hello(7n));
    arbitration.update(b, hello(5n, { name: 'x' }));
    arbitration.update(c, hello(3n, { id: 9n }));
    expect([a, b, c].map((each) => arbitration.isPrimary(each))).toEqual([true, true, true]);
    expect(b.received.at(-1)?.role).toMatchObject({ name: 'x' });
    expect(codeOf(() => arbitration.authorize(write(5n, { role: 'x' })))).toBe('OK');
    expect(codeOf(() => arbitration.authorize(write(3n, { roleId: 9n })))).toBe('OK');
    expect(codeOf(() => arbitration.authorize(write(7n, { role: 'x' })))).toBe('PERMISSION_DENIED');
    expect(codeOf(() => arbitration.authorize(write(7n, { role: 'nobody' })))).toBe('NOT_FOUND');
  });

  it('A11 a primary that lowers its election id becomes a backup, and all are told', () => {
    const arbitration = new Arbitration(DEVICE);
    const [a, b] = [new Controller(), new Controller()];
    arbitration.update(a, hello(7n));
    arbitration.update(b, hello(3n));
    a.take();
    b.take();
    arbitration.update(a, hello(2n));
    expect(a.take()).toEqual([{ code: status.NOT_FOUND, electionId: 7n }]);
    expect(b.take()).toEqual([{ code: status.NOT_FOUND, electionId: 7n }]);
  });

  it('A12 role.config, for which there is no scheme, is INVALID_ARGUMENT', () => {
    const config = { typeUrl: 'x/y', value: new Uint8Array() };
    const update = () => new Arbitration(DEVICE).update(new Controller(), hello(7n, { name: 'x', config }));
    expect(codeOf(update)).toBe('INVALID_ARGUMENT');
  });

  it('A13 too many controllers of a role are RESOURCE_EXHAUSTED', () => {
    const arbitration = new Arbitration(DEVICE);
    for (let i = 1; i <= MAX_CONTROLLERS_PER_ROLE; i++)
      arbitration.update(new Controller(), hello(BigInt(i)));
    expect(codeOf(() => arbitration.update(new Controller(), hello(1000n)))).toBe('RESOURCE_EXHAUSTED');
  });

  it('A15 a role without controllers keeps its highest election id, but only so many roles do', () => {
    const arbitration = new Arbitration(DEVICE);
    const visit = (name: string, electionId: bigint | undefined) => {
      const controller = new Controller();
      arbitration.update(controller, hello(electionId, { name }));
      arbitration.leave(controller);
      return controller.take()[0];
    };
    visit('kept', 9n);
    expect(visit('kept', 5n)).toEqual({ code: status.NOT_FOUND, electionId: 9n });
    for (let i = 0; i < MAX_VACANT_ROLES - 1; i++) visit(`role ${i}`, 1n);
    expect(visit('kept', 5n)).toEqual({ code: status.NOT_FOUND, electionId: 9n });
    // Of a role that never had a primary there is nothing to remember.
    for (let i = 0; i < 10; i++) visit(`backups ${i}`, undefined);
    expect(codeOf(() => arbitration.authorize(write(1n, { role: 'backups 0' })))).toBe('NOT_FOUND');
    expect(codeOf(() => arbitration.authorize(write(1n, { role: 'role 0' })))).toBe('PERMISSION_DENIED');
    visit('one more', 1n);
    expect(codeOf(() => arbitration.authorize(write(1n, { role: 'role 0' })))).toBe('NOT_FOUND');
    expect(codeOf(() => arbitration.authorize(write(1n, { role: 'role 1' })))).toBe('PERMISSION_DENIED');
    const owner = new Controller();
    arbitration.update(owner, hello(3n, { name: 'owned' }));
    for (let i = 0; i < 2 * MAX_VACANT_ROLES; i++) visit(`another ${i}`, 1n);
    expect(arbitration.isPrimary(owner)).toBe(true);
    expect(visit('kept', 5n)).toEqual({ code: status.OK, electionId: 5n });
  });

  it('A16 a role with an endless name is INVALID_ARGUMENT', () => {
    const arbitration = new Arbitration(DEVICE);
    const update = () => arbitration.update(new Controller(), hello(7n, { name: 'x'.repeat(MAX_ROLE_NAME) }));
    expect(codeOf(update)).toBe('INVALID_ARGUMENT');
  });

  it('A14 only the election id of the primary may write', () => {
    const arbitration = new Arbitration(DEVICE);
    expect(codeOf(() => arbitration.authorize(write(7n)))).toBe('PERMISSION_DENIED');
    arbitration.update(new Controller(), hello(7n));
    arbitration.update(new Controller(), hello(3n));
    expect(codeOf(() => arbitration.authorize(write(7n)))).toBe('OK');
    expect(codeOf(() => arbitration.authorize(write(3n)))).toBe('PERMISSION_DENIED');
    expect(codeOf(() => arbitration.authorize(write(8n)))).toBe('PERMISSION_DENIED');
  });
});
