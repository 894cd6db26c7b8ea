import { isIPv4 } from 'node:net';
import { parseAddressPrefix } from '@infra-offload/cni-types';
import { addressSchema, logSchema, monitoringSchema, tlsFilesIn, tlsSchema } from '@infra-offload/service';
import * as z from 'zod';
import { DEFAULT_SOCKET_PATH } from '../cni-socket.js';
import { LOG_MODULES } from '../log.js';

/** Where Calico's plugin connects. */
const DEFAULT_CALICO_ADDRESS = 'unix:///var/run/calico/cni-server.sock';

/** `kubernetes`: NetworkPolicies of the API or of manifests. `off`: none are enforced. */
export const POLICY_SOURCES = ['kubernetes', 'felix', 'off'] as const;
export type PolicySource = (typeof POLICY_SOURCES)[number];

const ipv4 = z.string().refine(isIPv4, 'is not an IPv4 address');
const ipv4Cidr = z.string().refine((text) => parseAddressPrefix(text)?.family === 4, 'is not an IPv4 CIDR');
const absolutePath = z.string().startsWith('/', 'is not an absolute path');

/** Whoever may connect may attach and detach any pod: root, or all of the node, but nobody outside of it. */
const localAddress = z.union(
  [
    z.string().regex(/^unix:(\/\/)?\/.+$/),
    addressSchema(0).refine((text) => /^(127(\.[0-9]{1,3}){3}|localhost|\[::1\]):/.test(text)),
  ],
  'is neither unix:///path nor a port of a loopback address',
);

/** What the kernel and IPv4 take. */
export const mtuSchema = z.number().int().min(576).max(9000);

const interfaceName = z
  .string()
  .regex(/^(?!\.{1,2}$)[^\s/:]{1,15}$/, 'is not the name of a network interface (1 to 15 characters)');

const mac = z
  .string()
  .regex(/^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/i, 'is not a unicast MAC address, such as 02:00:00:00:00:01');

/** Where Felix connects, and how it names policies: both ways unless one is given. */
export const felixSchema = z.strictObject({
  socket: absolutePath.default('/var/run/calico/felix-dataplane.sock'),
  dialect: z.enum(['auto', 'tier-names', 'policy-ids']).default('auto'),
});

/** What nodes may be called. */
export const NODE_NAME = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$/;

/** The configuration file. Every key is optional. */
const keysSchema = z.strictObject({
  nodeName: z.string().regex(NODE_NAME, 'is not the name of a node').optional(),
  managerAddress: addressSchema(1).default('127.0.0.1:50002'),
  interfaceType: z.enum(['tap', 'ipvlan', 'sriov', 'cdq']).default('tap'),
  /** The master of ipvlan, the physical function of sriov and cdq. */
  interface: interfaceName.optional(),
  // Leaves four digits of the 15 characters that an interface's name may have.
  tapPrefix: z
    .string()
    .regex(/^[A-Za-z][A-Za-z0-9_.-]{0,10}$/, 'is not 1 to 11 letters, digits, _ . - that begin with a letter')
    .default('P4TAP_'),
  mtu: mtuSchema.default(1500),
  cniSocket: absolutePath.default(DEFAULT_SOCKET_PATH),
  /** Written when pods can be attached. Left to others if absent. */
  cniConfiguration: absolutePath.optional(),
  stateDirectory: absolutePath.default('/var/lib/cni/infraagent'),
  manifestsDirectory: z.string().min(1).optional(),
  /** Without `kubeconfig`: the service account of the pod that the agent runs in. */
  kubernetes: z
    .strictObject({ kubeconfig: absolutePath.optional(), context: z.string().min(1).optional() })
    .refine(({ kubeconfig, context }) => kubeconfig !== undefined || context === undefined, {
      path: ['context'],
      message: 'is a context of a kubeconfig: give the kubeconfig as well',
    })
    .optional(),
  /** The data plane's own way to other nodes. Without `mac`, packets leave it with the MAC address of the host interface. */
  uplink: z.strictObject({ interface: interfaceName, mac: mac.optional() }).optional(),
  /** Services are wanted: from the API, unless they come from manifests. */
  services: z.boolean().optional(),
  /** Where network policies come from: see `policySourceOf`. */
  // YAML reads a bare off as false.
  networkPolicy: z
    .preprocess((given) => (given === false ? 'off' : given), z.enum(POLICY_SOURCES))
    .optional(),
  /** How the connection to the manager is protected. */
  tls: tlsSchema(tlsFilesIn('/etc/pki/infraagent/client')),
  serviceCidrs: z.array(ipv4Cidr).default([]),
  podCidrs: z.array(ipv4Cidr).default([]),
  /** What leaves the cluster has the address of the node, unless it goes to one of these ranges as well. */
  masquerade: z
    .strictObject({ enabled: z.boolean().default(true), exemptCidrs: z.array(ipv4Cidr).default([]) })
    .default({ enabled: true, exemptCidrs: [] }),
  hostInterface: z.strictObject({ addresses: z.array(ipv4).default([]) }).default({ addresses: [] }),
  /** Off if absent. */
  calico: z.strictObject({ listen: localAddress.default(DEFAULT_CALICO_ADDRESS) }).optional(),
  /** Only with policies from Felix; what it has without being configured: `felixSchema`. */
  felix: felixSchema.optional(),
  /** Where load balancers ask, as kube-proxy's `healthzBindAddress`. Off if absent. */
  healthzAddress: addressSchema(0).optional(),
  monitoring: monitoringSchema('127.0.0.1:50096'),
  log: logSchema(LOG_MODULES),
});

export const configSchema = keysSchema.superRefine((config, context) => {
  const { manifestsDirectory, kubernetes, services } = config;
  const issue = (path: keyof typeof config, message: string) =>
    context.addIssue({ code: 'custom', path: [path], message });
  if (manifestsDirectory !== undefined && kubernetes !== undefined) {
    issue(
      'kubernetes',
      'and manifestsDirectory are both given, but services come from one of them: leave one out',
    );
  }
  const source = kubernetes === undefined ? manifestsDirectory && 'manifestsDirectory' : 'kubernetes';
  if (services === false && source !== undefined) {
    issue('services', `is false, but ${source} says where services come from: leave one out`);
  }
});

/** The agent's settings, complete. */
export type AgentConfig = Omit<z.output<typeof configSchema>, 'nodeName'> & { readonly nodeName: string };

/** Where network policies come from: as configured, or else from where services come. */
export function policySourceOf({
  networkPolicy,
  kubernetes,
  manifestsDirectory,
}: Pick<AgentConfig, 'networkPolicy' | 'kubernetes' | 'manifestsDirectory'>): PolicySource {
  if (networkPolicy !== undefined) return networkPolicy;
  return kubernetes === undefined && manifestsDirectory === undefined ? 'off' : 'kubernetes';
}
