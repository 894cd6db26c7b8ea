import { createHash } from 'node:crypto';
import * as z from 'zod';
import { AgentError } from '../errors.js';
import { IpRoute, type Link } from './iproute.js';

/** Bit/s, and bits that may go at once beyond that; without a burst, what 100 ms bring. */
const limitSchema = z.strictObject({
  rate: z.number().int().min(1),
  burst: z.number().int().min(1).optional(),
});

/** What one interface of a pod may receive (`ingress`) and send; absent means without a limit. */
export const bandwidthSchema = z.strictObject({
  ingress: limitSchema.optional(),
  egress: limitSchema.optional(),
});

export type BandwidthLimit = Readonly<z.output<typeof limitSchema>>;
export type Bandwidth = Readonly<z.output<typeof bandwidthSchema>>;

/** Which interface, and its limits. */
export interface LimitedInterface {
  readonly netns: { readonly path: string };
  readonly ifname: string;
  readonly mtu: number;
  readonly bandwidth?: Bandwidth | undefined;
}

/** Header of Ethernet with a VLAN tag, which the MTU does not count. */
const FRAME_HEADER = 18;
const DEFAULT_BURST_SECONDS = 0.1;
/** How long packets wait for their turn before they are dropped, beyond the burst. */
const QUEUE_SECONDS = 0.05;
/** So that sizes stay far below the 32 bits that the kernel has for them. */
const MAX_BYTES = 1 << 30;

/**
 * Has the kernel limit what an interface in its pod sends and receives (tbf(8)). The kernel delays what goes out of an interface, so what
 * comes in goes through another one, of type `ifb`. The same again changes nothing.
 *
 * @throws AgentError COMMAND_FAILED
 */
export async function limitBandwidth(limited: LimitedInterface): Promise<void> {
  const { netns, ifname, mtu, bandwidth = {} } = limited;
  const { ingress, egress } = bandwidth;
  const commands = egress === undefined ? [] : [bucket(ifname, egress, mtu)];
  const inside = new IpRoute(netns.path);
  try {
    if (ingress !== undefined) {
      const queue = ingressQueue(ifname);
      if (!(await inside.links()).some((link) => link.ifname === queue))
        await inside.run(['link', 'add', 'name', queue, 'type', 'ifb']);
      await inside.run(['link', 'set', 'dev', queue, 'up']);
      const everything = 'protocol all prio 1 handle 800::800 u32 match u32 0 0';
      commands.push(
        bucket(queue, ingress, mtu),
        `qdisc replace dev ${ifname} ingress`,
        `filter replace dev ${ifname} parent ffff: ${everything} action mirred egress redirect dev ${queue}`,
      );
    }
    if (commands.length > 0) await inside.batch(commands, 'tc');
  } catch (cause) {
    if (!AgentError.is(cause)) throw cause;
    const needs =
      'the kernel needs sch_tbf, and for what is received ifb, sch_ingress, cls_u32 and act_mirred';
    throw new AgentError(
      'COMMAND_FAILED',
      `the bandwidth of ${ifname} cannot be limited (${needs}): ${cause.message}`,
      {
        details: cause.details,
        cause,
      },
    );
  }
}

/**
 * Removes what is beside the interface itself, which loses its limits when it leaves the pod's namespace.
 *
 * @param links of that namespace.
 * @throws AgentError COMMAND_FAILED
 */
export async function unlimitBandwidth(
  { netns, ifname, bandwidth }: LimitedInterface,
  links: readonly Link[],
): Promise<void> {
  const queue = ingressQueue(ifname);
  if (bandwidth?.ingress === undefined || !links.some((link) => link.ifname === queue)) return;
  await new IpRoute(netns.path).run(['link', 'delete', 'dev', queue]);
}

/** What is not as `limitBandwidth` left it, in words. */
export async function checkBandwidth({ netns, ifname, bandwidth = {} }: LimitedInterface): Promise<string[]> {
  const { ingress, egress } = bandwidth;
  if (ingress === undefined && egress === undefined) return [];
  const inside = new IpRoute(netns.path);
  const links = await inside.links();
  const has = async (dev: string, kind: string) =>
    links.some((link) => link.ifname === dev) &&
    (await inside.queues(dev)).some((queue) => queue.kind === kind);
  const queue = ingressQueue(ifname);
  const problems: string[] = [];
  if (egress !== undefined && !(await has(ifname, 'tbf'))) problems.push(`${ifname} sends without a limit`);
  if (ingress !== undefined && !((await has(ifname, 'ingress')) && (await has(queue, 'tbf'))))
    problems.push(`${ifname} receives without a limit`);
  return problems;
}

/** The device that delays what an interface receives: interfaces' names leave no room for more. */
function ingressQueue(ifname: string): string {
  return `bw-${createHash('sha256').update(ifname).digest('hex').slice(0, 12)}`;
}

/** A token bucket, as a command of tc. It holds one packet at least, since others never get through. */
function bucket(dev: string, { rate, burst: bits }: BandwidthLimit, mtu: number): string {
  const bytesPerSecond = rate / 8;
  const wanted = bits === undefined ? bytesPerSecond * DEFAULT_BURST_SECONDS : bits / 8;
  const burst = Math.ceil(Math.min(Math.max(wanted, mtu + FRAME_HEADER), MAX_BYTES));
  const limit = Math.ceil(Math.min(burst + bytesPerSecond * QUEUE_SECONDS, 2 * MAX_BYTES - 1));
  return `qdisc replace dev ${dev} root tbf rate ${rate}bit burst ${burst} limit ${limit}`;
}
