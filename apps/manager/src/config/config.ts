import { formatMac, isUnicastMac, mac, POD_GATEWAY_MAC, parseMac } from '@infra-offload/net';
import { addressSchema, logSchema, monitoringSchema, tlsFilesIn, tlsSchema } from '@infra-offload/service';
import { DEFAULT_CIPHER_SUITES } from '@infra-offload/tls-certs/grpc';
import * as z from 'zod';
import { LOG_MODULES } from '../log.js';

const seconds = (max: number) => z.int().min(0).max(max);
/** DPDK's clock for flows has steps of up to 2 s; established flows have to tell in time that they are in use. */
const timeout = (preset: number, min = 5) => z.int().min(min).max(432_000).default(preset);

const serverTls = tlsSchema({
  ...tlsFilesIn('/etc/pki/inframanager/server'),
  cipherSuites: DEFAULT_CIPHER_SUITES,
});
const clientTls = tlsSchema(tlsFilesIn('/etc/pki/inframanager/client'));

/** The configuration file, after defaults. Unknown keys are errors. */
export const configSchema = z.strictObject({
  /** Where the agent finds the Offload service. */
  listen: addressSchema(0).default('127.0.0.1:50002'),
  /** Of what listens there. */
  tls: serverTls,
  target: z
    .strictObject({
      p4runtimeAddress: addressSchema(1).default('localhost:9559'),
      p4runtimeTls: clientTls,
      gnmiAddress: addressSchema(1).default('localhost:9339'),
      gnmiTls: clientTls,
      /** P4Runtime device id. */
      deviceId: z.int().min(1).max(Number.MAX_SAFE_INTEGER).default(1),
      /** Milliseconds that an RPC to the target may take. */
      deadlineMs: z.int().min(100).max(600_000).default(10_000),
    })
    .prefault({}),
  pipeline: z
    .strictObject({
      /** Which driver: `auto` looks at the P4Info in `directory` or, without one, at that of the target. */
      kind: z.enum(['auto', 'dpdk', 'es2k']).default('auto'),
      /** Folder of an ES2K package; without one, `es2k` means the portable program. */
      directory: z.string().min(1).optional(),
    })
    .refine(({ kind, directory }) => kind !== 'dpdk' || directory === undefined, {
      path: ['directory'],
      error: 'the pipeline for DPDK is built in; leave the folder out, or choose kind es2k or auto',
    })
    .prefault({}),
  /** Kind of the pods' interfaces, which tells where their port numbers come from. */
  interfaceType: z.enum(['tap', 'ipvlan', 'sriov', 'cdq']).default('tap'),
  /** Holds the wanted state across restarts; made if it is missing. */
  stateDirectory: z.string().min(1).default('/var/lib/infra-offload/manager'),
  /** Where /metrics, /healthz and /readyz are served. */
  monitoring: monitoringSchema('127.0.0.1:50012'),
  log: logSchema(LOG_MODULES),
  dataPlane: z
    .strictObject({
      /** Source MAC of what the data plane sends to pods, and what it answers for a pod's address. */
      gatewayMac: z
        .string()
        .refine((text) => isUnicastMac(parseMac(text) ?? mac(0)), { error: 'expected a unicast MAC' })
        .default(formatMac(POD_GATEWAY_MAC)),
      /** Interface of who answers ARP for the pods' gateway, with `gatewayMac`. ES2K only; the node's own if left out. */
      arpProxyInterface: z.string().min(1).optional(),
      /** Seconds for which the old connections of a TCP endpoint that left its service go on; 0 for none. */
      drainSeconds: seconds(86_400).default(3600),
      /**
       * What becomes of flows that have begun when policies change so that they may deny them: `keep` lets them go on
       * until they end, `cut` has all flows asked again, which interrupts everything for a moment.
       */
      policyChange: z.enum(['keep', 'cut']).default('cut'),
      /**
       * Seconds without a packet after which flows end, by the names of netfilter's sysctls (net.netfilter.nf_conntrack_*).
       * DPDK only. Others than the device has make its program start anew.
       */
      conntrack: z
        .strictObject({
          tcpTimeoutSynSent: timeout(120),
          tcpTimeoutSynRecv: timeout(60),
          tcpTimeoutEstablished: timeout(86_400, 60),
          tcpTimeoutCloseWait: timeout(3600),
          tcpTimeoutTimeWait: timeout(120),
          tcpTimeoutClose: timeout(10),
          udpTimeout: timeout(30),
          udpTimeoutStream: timeout(120, 20),
          icmpTimeout: timeout(30, 20),
          sctpTimeoutCookieWait: timeout(30),
          sctpTimeoutEstablished: timeout(210, 20),
        })
        .prefault({}),
      /** How many flows each pod may begin, so that none can take the room of the others. DPDK only. */
      podShare: z
        .strictObject({
          /** Beyond these, packets of new flows are dropped; 0: no limit, and `unansweredFlowsPerSecond` has no effect. */
          newFlowsPerSecond: z.int().min(0).max(10_000_000).default(20_000),
          /** Beyond these, flows are forgotten after 5 s unless they are answered. */
          unansweredFlowsPerSecond: z.int().min(1).max(10_000_000).default(500),
          /** Flows at once that a pod has begun; beyond these, those end that are missed least. 0: no limit. */
          flows: z.int().min(0).max(10_000_000).default(262_144),
        })
        .prefault({}),
    })
    .prefault({}),
  reconcile: z
    .strictObject({
      /** Updates of one Write at most. */
      batchUpdates: z.int().min(1).max(5000).default(256),
      /** Bytes of one Write at most, about. */
      batchBytes: z.int().min(1024).max(3_000_000).default(1_000_000),
      /** Writes that may be on their way at the same time. */
      writesInFlight: z.int().min(1).max(64).default(4),
      /** Longest pause between two attempts at a refused entry. */
      maxRetrySeconds: z.int().min(1).max(3600).default(30),
      /** Seconds between two comparisons of all tables with the device; 0 for never. */
      auditSeconds: seconds(86_400).default(300),
    })
    .prefault({}),
});

/** What the manager runs with. */
export type Config = z.infer<typeof configSchema>;
