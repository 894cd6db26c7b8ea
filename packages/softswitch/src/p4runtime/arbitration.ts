import { status } from '@grpc/grpc-js';
import type { MasterArbitrationUpdate, Role, Uint128 } from '@infra-offload/p4rt/proto';
import { fail } from '../errors.js';

/** Roles without a controller whose highest election id is remembered; beyond, the one that had none for longest is forgotten. */
export const MAX_VACANT_ROLES = 1_024;
/** Longest name of a role, in characters. */
export const MAX_ROLE_NAME = 1_024;

/** Live controllers of one role; more are refused with RESOURCE_EXHAUSTED. */
export const MAX_CONTROLLERS_PER_ROLE = 64;

/** A controller's stream, as far as arbitration is concerned. */
export interface ControllerStream {
  notify(update: MasterArbitrationUpdate): void;
}

interface Controller {
  readonly stream: ControllerStream;
  readonly role: RoleState;
  electionId: bigint | undefined;
}

interface RoleState {
  readonly key: string;
  /** As the controllers named it, to be repeated in notifications. */
  readonly role: Role | undefined;
  /** The highest election id ever accepted, which is the primary's if there is one. */
  highest: bigint | undefined;
  readonly controllers: Set<Controller>;
}

/**
 * Client arbitration of one device (P4Runtime 1.5, "Client Arbitration and Controller Replication"): which
 * controller is the primary of which role, and who is told about it. Knows nothing of gRPC.
 */
export class Arbitration {
  /** Those that controllers have or had; those that had none for longest come first. */
  readonly #roles = new Map<string, RoleState>();
  #vacant = 0;
  readonly #controllers = new Map<ControllerStream, Controller>();

  constructor(readonly deviceId: bigint) {
    // The default role always exists.
    this.#roles.set('', newRole('', undefined));
  }

  /**
   * Takes in a MasterArbitrationUpdate of `stream` and sends the notifications that follow from it.
   * Throws what the stream has to be ended with: NOT_FOUND (device), INVALID_ARGUMENT (election id in use, role
   * configuration, length of the role's name), FAILED_PRECONDITION (device or role changed), RESOURCE_EXHAUSTED (too many controllers).
   */
  update(stream: ControllerStream, message: MasterArbitrationUpdate): void {
    const known = this.#controllers.get(stream);
    const electionId = toBigint(message.electionId);
    if (message.deviceId !== this.deviceId) {
      if (known !== undefined) fail('FAILED_PRECONDITION', `this stream is for device ${this.deviceId}`);
      fail('NOT_FOUND', `no device ${message.deviceId}: this is device ${this.deviceId}`);
    }
    if (message.role?.config !== undefined) {
      fail('INVALID_ARGUMENT', 'role.config is not supported: every role has full access');
    }
    const key = roleKey(message.role);
    if (key.length > MAX_ROLE_NAME) {
      fail(
        'INVALID_ARGUMENT',
        `the role's name has ${key.length} characters, at most ${MAX_ROLE_NAME} are allowed`,
      );
    }
    const role = known?.role ?? this.#roles.get(key) ?? newRole(key, message.role);
    if (known !== undefined && key !== role.key) {
      fail(
        'FAILED_PRECONDITION',
        `this stream is for ${describeRole(role.role)}: open another one for another role`,
      );
    }
    for (const other of role.controllers) {
      if (other !== known && electionId !== undefined && other.electionId === electionId) {
        fail(
          'INVALID_ARGUMENT',
          `election id ${electionId} is in use by another controller of ${describeRole(role.role)}`,
        );
      }
    }
    if (known === undefined && role.controllers.size >= MAX_CONTROLLERS_PER_ROLE) {
      fail(
        'RESOURCE_EXHAUSTED',
        `${describeRole(role.role)} has ${MAX_CONTROLLERS_PER_ROLE} controllers already`,
      );
    }

    const controller = known ?? { stream, role, electionId };
    if (role.controllers.size === 0) this.#occupy(role);
    const wasPrimary = primaryOf(role) === controller;
    controller.electionId = electionId;
    role.controllers.add(controller);
    this.#controllers.set(stream, controller);
    if (electionId !== undefined && (role.highest === undefined || electionId >= role.highest)) {
      role.highest = electionId;
      for (const other of role.controllers) if (other !== controller) this.#notify(other);
      this.#notify(controller);
    } else if (wasPrimary) {
      for (const each of role.controllers) this.#notify(each);
    } else {
      this.#notify(controller);
    }
  }

  /** The stream has ended. If it was a primary's, the others of its role are told. */
  leave(stream: ControllerStream): void {
    const controller = this.#controllers.get(stream);
    if (controller === undefined) return;
    const { role } = controller;
    const wasPrimary = primaryOf(role) === controller;
    this.#controllers.delete(stream);
    role.controllers.delete(controller);
    if (role.controllers.size === 0) this.#vacate(role);
    if (wasPrimary) for (const other of role.controllers) this.#notify(other);
  }

  /** Whether the stream's controller is primary now. */
  isPrimary(stream: ControllerStream): boolean {
    const controller = this.#controllers.get(stream);
    return controller !== undefined && primaryOf(controller.role) === controller;
  }

  /** The primaries of all roles. */
  primaries(): ControllerStream[] {
    return [...this.#roles.values()].flatMap((role) => primaryOf(role)?.stream ?? []);
  }

  /**
   * Checks that a Write or SetForwardingPipelineConfig comes from a primary: NOT_FOUND for a role that no
   * controller has, PERMISSION_DENIED if the election id is not that of the role's primary.
   */
  authorize(request: { role: string; roleId: bigint; electionId?: Uint128 | undefined }): void {
    const role = this.#roles.get(roleKey({ name: request.role, id: request.roleId, config: undefined }));
    if (role === undefined) {
      const name = request.role === '' ? `id ${request.roleId}` : `'${request.role}'`;
      fail('NOT_FOUND', `no controller has the role ${name}`);
    }
    const primary = primaryOf(role);
    const electionId = toBigint(request.electionId);
    if (primary === undefined) {
      fail(
        'PERMISSION_DENIED',
        `${describeRole(role.role)} has no primary: send a MasterArbitrationUpdate first`,
      );
    }
    if (electionId === undefined || electionId !== primary.electionId) {
      fail(
        'PERMISSION_DENIED',
        `not the primary: election id ${electionId ?? 'missing'}, the primary's is ${role.highest}`,
      );
    }
  }

  /** The role has its first controller, or one again. */
  #occupy(role: RoleState): void {
    if (this.#roles.delete(role.key) && role.key !== '') this.#vacant--;
    this.#roles.set(role.key, role);
  }

  /**
   * The role's last controller has gone. Its highest election id is remembered, as the specification asks, but not of any
   * number of roles: clients name them as they like.
   */
  #vacate(role: RoleState): void {
    if (role.key === '') return;
    this.#roles.delete(role.key);
    if (role.highest === undefined) return;
    this.#roles.set(role.key, role);
    if (this.#vacant < MAX_VACANT_ROLES) {
      this.#vacant++;
      return;
    }
    for (const oldest of this.#roles.values()) {
      if (oldest.controllers.size > 0 || oldest.key === '') continue;
      this.#roles.delete(oldest.key);
      return;
    }
  }

  #notify(controller: Controller): void {
    const { role } = controller;
    const primary = primaryOf(role);
    controller.stream.notify({
      deviceId: this.deviceId,
      role: role.role,
      electionId: role.highest === undefined ? undefined : toUint128(role.highest),
      status: arbitrationStatus(controller === primary, primary !== undefined),
    });
  }
}

function arbitrationStatus(
  isPrimary: boolean,
  hasPrimary: boolean,
): { code: number; message: string; details: [] } {
  if (isPrimary) return { code: status.OK, message: 'you are primary', details: [] };
  if (hasPrimary)
    return { code: status.ALREADY_EXISTS, message: 'another controller is primary', details: [] };
  return { code: status.NOT_FOUND, message: 'there is no primary', details: [] };
}

function newRole(key: string, role: Role | undefined): RoleState {
  return { key, role: key === '' ? undefined : role, highest: undefined, controllers: new Set() };
}

/** Election ids of live controllers of a role differ, so at most one has the highest. */
function primaryOf(role: RoleState): Controller | undefined {
  if (role.highest === undefined) return undefined;
  for (const controller of role.controllers) if (controller.electionId === role.highest) return controller;
  return undefined;
}

/** Roles are told apart by name, or by the older numeric id if they have no name. '' is the default role. */
function roleKey(role: Role | undefined): string {
  if (role === undefined) return '';
  if (role.name !== '') return `name ${role.name}`;
  return role.id === 0n ? '' : `id ${role.id}`;
}

function describeRole(role: Role | undefined): string {
  if (role === undefined) return 'the default role';
  return role.name === '' ? `role id ${role.id}` : `role '${role.name}'`;
}

function toBigint(id: Uint128 | undefined): bigint | undefined {
  return id === undefined ? undefined : (id.high << 64n) | id.low;
}

function toUint128(id: bigint): Uint128 {
  return { high: id >> 64n, low: BigInt.asUintN(64, id) };
}
