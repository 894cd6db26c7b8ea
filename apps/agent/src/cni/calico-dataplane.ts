import { basename } from 'node:path';
import {
  type AttachmentKey,
  CniError,
  CniErrorCode,
  checkContainerId,
  checkIfname,
  checkNetns,
  parseAddressPrefix,
} from '@infra-offload/cni-types';
import type { AddReply, AddRequest, DelReply, DelRequest } from '@infra-offload/cni-types/proto';
import { safeParse } from '@infra-offload/yaml';
import type { Logger } from 'pino';
import { InfraCniErrorCode } from '../cni-error-codes.js';
import { mtuSchema } from '../config/schema.js';
import type { Attachment } from '../interfaces/attachment.js';
import type { Attacher } from './attacher.js';
import type { AttachRequest } from './protocol.js';

/** Marks what Calico has attached: no CNI network can have this name, so no GC of one takes it away. */
const CALICO_NETWORK = 'calico:grpc';

/** How a call has ended: code 0 is success, else the CNI error code that infra-cni would have answered. */
export interface CalicoOutcome<Reply> {
  readonly reply: Reply;
  readonly code: number;
}

/**
 * Calico's CNI dataplane on the attacher that serves infra-cni, too. Failures are replies, not gRPC errors: Calico reads
 * `error_message` of a reply that is not successful.
 */
export class CalicoDataplane {
  readonly #attacher: Attacher;
  readonly #logger: Logger;

  constructor(attacher: Attacher, logger: Logger) {
    this.#attacher = attacher;
    this.#logger = logger;
  }

  /**
   * Attaches a pod. Once more for what is attached already is a success with the same answer.
   *
   * @param isCancelled whether the caller has given up; nothing stays attached then.
   */
  async add(request: AddRequest, isCancelled: () => boolean): Promise<CalicoOutcome<AddReply>> {
    const none = { hostInterfaceName: '', containerMac: '' };
    try {
      const wanted = readAddRequest(request);
      const attachment = (await this.#existing(wanted)) ?? (await this.#attach(wanted));
      if (isCancelled()) {
        await this.#attacher.detach(wanted);
        throw new CniError(CniErrorCode.tryAgainLater, 'the caller has given up');
      }
      const { interfaceName: hostInterfaceName, mac: containerMac } = attachment;
      return { reply: { successful: true, errorMessage: '', hostInterfaceName, containerMac }, code: 0 };
    } catch (error) {
      const { code, errorMessage } = this.#failure('Add', error);
      return { reply: { successful: false, errorMessage, ...none }, code };
    }
  }

  /** Detaches a pod; succeeds if it is not attached. */
  async del({ interfaceName, netns }: DelRequest): Promise<CalicoOutcome<DelReply>> {
    try {
      const ifname = checkIfname(interfaceName);
      if (netns === '') await this.#detachDead(ifname);
      else await this.#attacher.detach({ containerId: containerIdOf(netns), ifname });
      return { reply: { successful: true, errorMessage: '' }, code: 0 };
    } catch (error) {
      const { code, errorMessage } = this.#failure('Del', error);
      return { reply: { successful: false, errorMessage }, code };
    }
  }

  /** What an earlier call for the same pod has attached; a pod that is gone makes room. */
  async #existing(wanted: AttachRequest): Promise<Attachment | undefined> {
    const found = this.#attacher.find(wanted);
    if (found?.phase !== 'attached') return undefined;
    if (await this.#attacher.isNamespaceGone(found)) {
      await this.#attacher.detach(found);
      return undefined;
    }
    return found.address === wanted.address ? found : undefined;
  }

  async #attach(wanted: AttachRequest): Promise<Attachment> {
    await this.#attacher.attach(wanted);
    const attachment = this.#attacher.find(wanted);
    if (attachment !== undefined) return attachment;
    throw new CniError(CniErrorCode.tryAgainLater, 'the pod was detached while it was being attached');
  }

  /** Without a namespace Calico does not say which pod it means: it is one of those whose namespace is gone. */
  async #detachDead(ifname: string): Promise<void> {
    for (const attachment of this.#attacher.attachments()) {
      if (attachment.network !== CALICO_NETWORK || attachment.ifname !== ifname) continue;
      if (await this.#attacher.isNamespaceGone(attachment)) await this.#attacher.detach(attachment);
    }
  }

  #failure(operation: string, error: unknown): { code: number; errorMessage: string } {
    const { code, message } = CniError.from(error);
    if (code === CniErrorCode.internal) this.#logger.error({ operation, err: error }, 'Calico: call failed');
    else this.#logger.warn({ operation, code, reason: message }, 'Calico: call refused');
    return { code, errorMessage: message };
  }
}

/** @throws CniError 4, 7 or 104 that names what is wrong. */
function readAddRequest(request: AddRequest): AttachRequest {
  const { interfaceName, netns, settings, containerIps, containerRoutes, workload } = request;
  const key: AttachmentKey = { containerId: containerIdOf(netns), ifname: checkIfname(interfaceName) };
  const mtu = settings?.mtu || undefined;
  if (mtu !== undefined && !safeParse(mtuSchema, mtu).success) {
    throw invalid(`settings.mtu ${mtu} is not 576 to 9000`);
  }
  return {
    ...key,
    netns,
    network: CALICO_NETWORK,
    pod: { namespace: workload?.namespace ?? '', name: workload?.pod || workload?.name || '' },
    address: onlyAddress(containerIps.map(({ address }) => address)),
    mtu,
    routes: containerRoutes.flatMap((text) => {
      const family = parseAddressPrefix(text)?.family;
      if (family === undefined) throw invalid(`container_routes: '${text}' is not a CIDR`);
      // Pods have no IPv6, so neither have they routes of it.
      return family === 4 ? [{ dst: text }] : [];
    }),
  };
}

function onlyAddress(addresses: readonly string[]): string {
  const [text] = addresses;
  if (text === undefined || addresses.length > 1) {
    const given = addresses.join(', ') || 'none';
    throw new CniError(
      InfraCniErrorCode.unusableAddress,
      `container_ips: a pod gets exactly one IPv4 address; given: ${given}`,
    );
  }
  const parsed = parseAddressPrefix(text.includes('/') ? text : `${text}/32`);
  if (parsed?.family !== 4) {
    throw new CniError(
      InfraCniErrorCode.unusableAddress,
      `container_ips: '${text}' is not an IPv4 address, and there is no IPv6 in the data plane`,
    );
  }
  return parsed.address;
}

/**
 * Calico tells no container id, so the name of the namespace stands for it: `cni-…` of containerd and CRI-O. A path under
 * /proc ends in the same name for all; its process id tells them apart.
 */
function containerIdOf(netns: string): string {
  const process = /^\/proc\/([0-9]+)\/ns\/net$/.exec(checkNetns(netns))?.[1];
  return process === undefined ? checkContainerId(basename(netns)) : `process-${process}`;
}

function invalid(message: string): CniError {
  return new CniError(CniErrorCode.invalidConfig, message);
}
