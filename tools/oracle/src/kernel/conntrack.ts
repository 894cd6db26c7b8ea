import type { NetworkNamespace } from '@infra-offload/testbed';
import type { Protocol } from '../scenario.js';
import { PROTOCOLS } from '../world.js';

/** A flow that the kernel knows. */
export interface TrackedFlow {
  readonly protocol: Protocol;
  readonly client: string;
  /** Where its first packet went; a service, perhaps. */
  readonly to: string;
  readonly port: number;
  /** Who answers. */
  readonly server: string;
}

/** From this state of TCP a SYN begins anew, whatever is left of the connection. */
const OVER = / TIME_WAIT /;

/** Ends the flows that `which` says, as `conntrack -D` does. */
export async function endFlows(node: NetworkNamespace, which: (flow: TrackedFlow) => boolean): Promise<void> {
  for (const protocol of PROTOCOLS) {
    const { stdout } = await node.run('conntrack', ['-L', '-p', protocol]);
    for (const line of stdout.split('\n')) {
      if (OVER.test(line)) continue;
      const [client = '', server = ''] = valuesOf(line, 'src');
      const [to = ''] = valuesOf(line, 'dst');
      const [sourcePort = ''] = valuesOf(line, 'sport');
      const [port = ''] = valuesOf(line, 'dport');
      if (client === '' || !which({ protocol, client, to, port: Number(port), server })) continue;
      // It says no if the flow has ended by itself.
      await node.run('conntrack', [
        ...['-D', '-p', protocol, '--orig-src', client, '--orig-dst', to],
        ...['--orig-port-src', sourcePort, '--orig-port-dst', port],
      ]);
    }
  }
}

/** Of the first direction, then of the answers. */
function valuesOf(line: string, name: string): string[] {
  return [...line.matchAll(new RegExp(` ${name}=(\\S+)`, 'g'))].map(([, value = '']) => value);
}
