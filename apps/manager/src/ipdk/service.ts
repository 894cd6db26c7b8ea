import type { ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js';
import { messageOf } from '@infra-offload/base';
import type { infra } from '@infra-offload/infra-api';
import { formatMac } from '@infra-offload/net';
import { ManagerError } from '../errors.js';
import {
  describeKey,
  type NodeObject,
  type ObjectKey,
  objectKey,
  type PodObject,
  type ServiceObject,
} from '../model/objects.js';
import type { PolicyPayload } from './felix-facts.js';
import { collide, hasNoNetns, isInNetns, isIpdkPod, sandboxKey } from './names.js';
import { IpdkPolicies, type IpdkPoliciesContext } from './policies.js';
import {
  type Release,
  readHost,
  readNetwork,
  readRelease,
  readTranslation,
  readTranslationKey,
} from './read.js';
import { REFUSALS, type RefusedCall } from './refusals.js';

/** Longest wait for the data plane: IPDK's agent sets no deadline for most calls. */
const ANSWER_MS = 10_000;

export type InfraAgentContext<Row> = Omit<IpdkPoliciesContext<Row>, 'ipdkPods'>;

type AddReply = ReturnType<infra.InfraAgentService['createNetwork']['responseDeserialize']>;

interface Outcome {
  readonly successful: boolean;
  readonly errorMessage: string;
}

const DONE: Outcome = { successful: true, errorMessage: '' };

/**
 * IPDK's `infra.InfraAgent` on the wanted state that Sync has, too; see README.md beside this file.
 *
 * Every failure becomes a reply with `successful` false, never a gRPC error: an IPDK agent of 24.01 reads the reply of
 * some calls without looking at the error, and would crash.
 */
export class InfraAgentService<Row> {
  readonly #context: InfraAgentContext<Row>;
  /** Calls whose refusal was logged. */
  readonly #refused = new Set<RefusedCall>();

  readonly #policies: IpdkPolicies<Row>;

  constructor(context: InfraAgentContext<Row>) {
    this.#context = context;
    this.#policies = new IpdkPolicies({ ...context, ipdkPods: () => this.#pods() });
  }

  /** Takes up what an agent has said to an earlier run. To be called when the controller has its objects back. */
  restore(): void {
    this.#policies.restore();
  }

  implementation(): infra.InfraAgentServer {
    const refuse = (call: RefusedCall) => this.#refuse(call);
    return {
      createNetwork: this.#unary('CreateNetwork', failedAdd, (request, cancelled) =>
        this.#createNetwork(request, cancelled),
      ),
      deleteNetwork: this.#unary('DeleteNetwork', failed, (request, cancelled) =>
        this.#deleteNetwork(request, cancelled),
      ),
      setupHostInterface: this.#unary('SetupHostInterface', failed, (request, cancelled) =>
        this.#want(readHost(request), cancelled),
      ),
      natTranslationAdd: this.#unary('NatTranslationAdd', failed, (request, cancelled) =>
        this.#addTranslation(request, cancelled),
      ),
      natTranslationDelete: this.#unary('NatTranslationDelete', failed, async (request, cancelled) => {
        await this.#context.pods.withdraw(readTranslationKey(request), cancelled);
        return DONE;
      }),
      setSnatAddress: refuse('setSnatAddress'),
      addDelSnatPrefix: refuse('addDelSnatPrefix'),
      activePolicyUpdate: this.#policy('ActivePolicyUpdate', (value) => ({
        $case: 'activePolicyUpdate',
        value,
      })),
      activePolicyRemove: this.#policy('ActivePolicyRemove', (value) => ({
        $case: 'activePolicyRemove',
        value,
      })),
      updateIpSet: this.#policy('UpdateIPSet', (value) => ({ $case: 'ipsetUpdate', value })),
      updateIpSetDelta: this.#policy('UpdateIPSetDelta', (value) => ({ $case: 'ipsetDeltaUpdate', value })),
      removeIpSet: this.#policy('RemoveIPSet', (value) => ({ $case: 'ipsetRemove', value })),
      updateActiveProfile: this.#policy('UpdateActiveProfile', (value) => ({
        $case: 'activeProfileUpdate',
        value,
      })),
      removeActiveProfile: this.#policy('RemoveActiveProfile', (value) => ({
        $case: 'activeProfileRemove',
        value,
      })),
      updateHostEndpoint: this.#policy('UpdateHostEndpoint', (value) => ({
        $case: 'hostEndpointUpdate',
        value,
      })),
      removeHostEndpoint: this.#policy('RemoveHostEndpoint', (value) => ({
        $case: 'hostEndpointRemove',
        value,
      })),
      updateLocalEndpoint: this.#policy('UpdateLocalEndpoint', (value) => ({
        $case: 'workloadEndpointUpdate',
        value,
      })),
      removeLocalEndpoint: this.#policy('RemoveLocalEndpoint', (value) => ({
        $case: 'workloadEndpointRemove',
        value,
      })),
      updateHostMetaData: refuse('updateHostMetaData'),
      removeHostMetaData: refuse('removeHostMetaData'),
      updateServiceAccount: refuse('updateServiceAccount'),
      removeServiceAccount: refuse('removeServiceAccount'),
      updateNamespace: refuse('updateNamespace'),
      removeNamespace: refuse('removeNamespace'),
      updateRoute: refuse('updateRoute'),
      removeRoute: refuse('removeRoute'),
      updateVxlanTunnelEndpoint: refuse('updateVxlanTunnelEndpoint'),
      removeVxlanTunnelEndpoint: refuse('removeVxlanTunnelEndpoint'),
      updateWireguardEndpoint: refuse('updateWireguardEndpoint'),
      removeWireguardEndpoint: refuse('removeWireguardEndpoint'),
      updateGlobalBgpConfig: refuse('updateGlobalBgpConfig'),
    };
  }

  async #createNetwork(request: infra.CreateNetworkRequest, cancelled: AbortSignal): Promise<AddReply> {
    const pod = readNetwork(request);
    this.#policies.guard(pod);
    try {
      await this.#context.pods.attach(pod, cancelled, () => this.#evict(pod));
    } catch (error) {
      this.#policies.released(pod);
      throw error;
    }
    return {
      ...DONE,
      hostInterfaceName: request.addRequest?.desiredHostInterfaceName || pod.interfaceName,
      containerMac: formatMac(pod.mac),
    };
  }

  /**
   * Makes room for a pod. IPDK's agent deletes no network whose namespace has gone, and gives its address and interface
   * to other pods: whoever has them still is no more.
   */
  #evict(pod: PodObject): void {
    const { controller, logger } = this.#context;
    for (const other of this.#pods()) {
      if (other.attachmentId === pod.attachmentId || !collide(other, pod)) continue;
      logger.info(
        { pod: other.attachmentId, by: pod.attachmentId },
        'a pod disappeared without DeleteNetwork',
      );
      controller.remove(objectKey(other));
      this.#policies.released(other);
    }
  }

  async #deleteNetwork(request: infra.DeleteNetworkRequest, cancelled: AbortSignal): Promise<Outcome> {
    const { pods, controller } = this.#context;
    const withdraw = async (key: ObjectKey) => {
      const pod = controller.object(key);
      await pods.withdraw(key, cancelled);
      if (pod?.kind === 'pod') this.#policies.released(pod);
    };
    await Promise.all(this.#released(readRelease(request)).map(withdraw));
    return DONE;
  }

  /**
   * The pods that a release means: those of its namespace; else, if nothing is known of the namespace, the pod with its
   * address, MAC or interface, whichever is told first in this order. A pod that is known to live in another namespace
   * is never meant, because addresses and interfaces are used again.
   */
  #released({ sandbox, ip, mac, interfaceName }: Release): readonly ObjectKey[] {
    const key = sandboxKey(sandbox);
    // Also while an earlier removal of it is under way.
    if (key !== undefined && this.#context.controller.status(key) !== undefined) return [key];
    const { netns } = sandbox;
    const named = this.#pods().map((pod) => ({ pod, key: objectKey(pod) }));
    if (netns !== '' && sandbox.interfaceName === '') {
      const there = named.filter((one) => isInNetns(one.key, netns));
      if (there.length > 0) return there.map((one) => one.key);
    }
    const matches = (pod: PodObject) => {
      if (ip !== undefined) return pod.ip === ip;
      return mac !== undefined ? pod.mac === mac : pod.interfaceName === interfaceName;
    };
    return named
      .filter((one) => (netns === '' || hasNoNetns(one.key)) && matches(one.pod))
      .map((one) => one.key);
  }

  async #addTranslation(request: infra.NatTranslation, cancelled: AbortSignal): Promise<Outcome> {
    const { service, sourceAddresses } = readTranslation(request);
    await this.#want(service, cancelled);
    if (sourceAddresses.length === 0) return DONE;
    const errorMessage = `${describeKey(objectKey(service))} is in force without the source address ${sourceAddresses.join(
      ', ',
    )}: the pipeline translates destinations only, so clients outside the node reach endpoints on this node only`;
    return { successful: false, errorMessage };
  }

  /** Wants an object, which stays also if the data plane cannot have it now: nobody would say it again. */
  async #want(object: NodeObject | ServiceObject, cancelled: AbortSignal): Promise<Outcome> {
    const { controller, pods } = this.#context;
    const key = objectKey(object);
    controller.upsert(object);
    try {
      await pods.programmed(key, cancelled);
    } catch (error) {
      if (!ManagerError.is(error) || controller.object(key) !== object) throw error;
      const message = `${error.message}; it is kept, and takes effect as soon as that is possible`;
      throw new ManagerError(error.code, message, { details: error.details, cause: error });
    }
    return DONE;
  }

  /** Pods that an IPDK agent made. */
  #pods(): readonly PodObject[] {
    const { controller } = this.#context;
    const pods: PodObject[] = [];
    for (const [key] of controller.statuses()) {
      const object = isIpdkPod(key) ? controller.object(key) : undefined;
      if (object?.kind === 'pod') pods.push(object);
    }
    return pods;
  }

  #unary<Request, Reply>(
    name: string,
    onFailure: (errorMessage: string) => Reply,
    handle: (request: Request, cancelled: AbortSignal) => Promise<Reply>,
  ) {
    return async (call: ServerUnaryCall<Request, Reply>, callback: sendUnaryData<Reply>): Promise<void> => {
      const cancelled = new AbortController();
      call.on('cancelled', () => cancelled.abort());
      const signal = AbortSignal.any([cancelled.signal, AbortSignal.timeout(ANSWER_MS)]);
      try {
        callback(null, await handle(call.request, signal));
      } catch (error) {
        this.#context.logger.warn({ call: name, reason: messageOf(error) }, 'IPDK call failed');
        callback(null, onFailure(messageOf(error)));
      }
    };
  }

  #policy<Request>(name: string, payloadOf: (request: Request) => PolicyPayload) {
    return this.#unary<Request, infra.Reply>(name, failed, async (request, cancelled) => {
      await this.#policies.take(payloadOf(request), cancelled);
      return DONE;
    });
  }

  #refuse(name: RefusedCall) {
    return (_: unknown, callback: sendUnaryData<infra.Reply>): void => {
      // Felix tells thousands of endpoints and routes: once is enough.
      const level = this.#refused.has(name) ? 'debug' : 'warn';
      this.#refused.add(name);
      this.#context.logger[level]({ call: name, reason: REFUSALS[name] }, 'IPDK call refused');
      callback(null, failed(REFUSALS[name]));
    };
  }
}

function failed(errorMessage: string): Outcome {
  return { successful: false, errorMessage };
}

function failedAdd(errorMessage: string): AddReply {
  return { successful: false, errorMessage, hostInterfaceName: '', containerMac: '' };
}
