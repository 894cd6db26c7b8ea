import type { infra } from '@infra-offload/infra-api';
import { formatIPv4, type IPv4, isUnicastIPv4, type Mac, parseIPv4 } from '@infra-offload/net';
import { ManagerError } from '../errors.js';
import type {
  Endpoint,
  NodeObject,
  ObjectKey,
  PodObject,
  Protocol,
  ServiceObject,
} from '../model/objects.js';
import { Checker } from '../state/checker.js';
import { socketKey } from '../state/validate.js';
import { attachmentId, IPDK, type Sandbox, translationKey } from './names.js';

/** Longest path of a network namespace; it becomes part of a key of the store. */
const MAX_NETNS = 512;
/** Longest name that Linux gives an interface. */
const MAX_INTERFACE_NAME = 15;

/** What DeleteNetwork says of the pod that goes; at least one of these is told. */
export interface Release {
  readonly sandbox: Sandbox;
  readonly ip: IPv4 | undefined;
  readonly mac: Mac | undefined;
  /** As the target names it; may be empty. */
  readonly interfaceName: string;
}

/** A translation, and what of it no pipeline of ours can do. */
export interface Translation {
  readonly service: ServiceObject;
  /** Addresses that the client's should be replaced by. */
  readonly sourceAddresses: readonly string[];
}

/** @throws ManagerError INVALID_OBJECT naming field and value; so do all functions here. */
export function readNetwork({ addRequest, hostIfName, macAddr }: infra.CreateNetworkRequest): PodObject {
  const check: Checker = new Checker(`pod/${IPDK}`);
  if (addRequest === undefined) return missing('CreateNetwork', 'add_request');
  const sandbox = readSandbox(check, 'add_request', addRequest);
  const [first] = addRequest.containerIps;
  if (first === undefined || addRequest.containerIps.length > 1) {
    const given = addRequest.containerIps.map(({ address }) => address).join(', ');
    return check.fail('add_request.container_ips', given, 'exactly one IPv4 address');
  }
  const field = 'add_request.container_ips[0].address';
  const ip = readAddress(check, field, first.address);
  const { workload } = addRequest;
  return {
    kind: 'pod',
    attachmentId: attachmentId(sandbox, ip),
    namespace: readName(check, 'add_request.workload.namespace', workload?.namespace),
    name: readName(check, 'add_request.workload.pod', workload?.pod || workload?.name),
    interfaceName: check.interfaceName('host_if_name', hostIfName || addRequest.desiredHostInterfaceName),
    mac: check.mac('mac_addr', macAddr),
    ip: check.podAddress(field, formatIPv4(ip)),
  };
}

export function readRelease(request: infra.DeleteNetworkRequest): Release {
  const { delRequest, hostIfName, macAddr, ipv4Addr } = request;
  const check: Checker = new Checker(`pod/${IPDK}`);
  const sandbox = readSandbox(check, 'del_request', delRequest ?? { netns: '', interfaceName: '' });
  if (sandbox.netns === '' && hostIfName === '' && macAddr === '' && ipv4Addr === '') {
    return missing('DeleteNetwork', 'del_request.netns, ipv4_addr, mac_addr or host_if_name');
  }
  return {
    sandbox,
    ip: ipv4Addr === '' ? undefined : readAddress(check, 'ipv4_addr', ipv4Addr),
    mac: macAddr === '' ? undefined : check.mac('mac_addr', macAddr),
    interfaceName: hostIfName === '' ? '' : check.interfaceName('host_if_name', hostIfName),
  };
}

export function readHost({ ifName, ipv4Addr, macAddr }: infra.SetupHostInterfaceRequest): NodeObject {
  const check: Checker = new Checker(`node/${IPDK}`);
  return {
    kind: 'node',
    name: IPDK,
    host: {
      interfaceName: check.interfaceName('if_name', ifName),
      mac: check.mac('mac_addr', macAddr),
      addresses: [readAddress(check, 'ipv4_addr', ipv4Addr)],
    },
    // No request tells these.
    serviceCidrs: [],
    routes: [],
    addresses: [],
    unsupportedAddresses: [],
  };
}

export function readTranslation(request: infra.NatTranslation): Translation {
  const { check, address, port, protocol } = readFrontend('NatTranslationAdd', request);
  const endpoints = new Map<number, Endpoint>();
  const unsupportedAddresses: string[] = [];
  const sourceAddresses = new Set<string>();
  for (const [i, { dstEp, srcEp }] of request.backends.entries()) {
    const at = `backends[${i}].dst_ep`;
    if (dstEp === undefined) return check.fail(at, '', 'the address and port of an endpoint');
    const ip = check.ipv4OrIPv6(`${at}.ipv4_addr`, dstEp.ipv4Addr);
    check.port(`${at}.port`, dstEp.port);
    if (ip === undefined) {
      unsupportedAddresses.push(`endpoint [${dstEp.ipv4Addr}]:${dstEp.port}`);
      continue;
    }
    if (srcEp !== undefined && srcEp.ipv4Addr !== '') {
      sourceAddresses.add(formatIPv4(readAddress(check, `backends[${i}].src_ep.ipv4_addr`, srcEp.ipv4Addr)));
    }
    const endpoint: Endpoint = { address: ip, port: dstEp.port, weight: 1 };
    endpoints.set(socketKey(endpoint), endpoint);
  }
  const service: ServiceObject = {
    kind: 'service',
    namespace: IPDK,
    name: formatIPv4(address),
    portName: String(port),
    protocol,
    frontends: [{ address, port }],
    endpoints: [...endpoints.values()],
    hasEndpointsElsewhere: false,
    affinitySeconds: undefined,
    unsupportedAddresses,
    agentConditions: [],
  };
  return { service, sourceAddresses: [...sourceAddresses] };
}

/** The key of a translation that goes; only its frontend counts. */
export function readTranslationKey(request: infra.NatTranslation): ObjectKey {
  const { address, port, protocol } = readFrontend('NatTranslationDelete', request);
  return translationKey(address, port, protocol);
}

function readFrontend(call: string, { endpoint, proto }: infra.NatTranslation) {
  const check: Checker = new Checker(`service/${IPDK}`);
  if (endpoint === undefined) return missing(call, 'endpoint');
  const protocol = readProtocol(proto);
  if (protocol === undefined) return check.fail('proto', proto, 'TCP or UDP');
  check.port('endpoint.port', endpoint.port);
  return {
    check,
    address: check.ipv4('endpoint.ipv4_addr', endpoint.ipv4Addr),
    port: endpoint.port,
    protocol,
  };
}

function readProtocol(text: string): Protocol | undefined {
  const upper = text.toUpperCase();
  return upper === 'TCP' || upper === 'UDP' || upper === 'SCTP' ? upper : undefined;
}

function readSandbox(check: Checker, at: string, { netns, interfaceName }: Sandbox): Sandbox {
  if (netns !== '' && (!/^[\x21-\x7e]+$/.test(netns) || netns.length > MAX_NETNS || /^\/*$/.test(netns))) {
    check.fail(`${at}.netns`, netns, `the path of a network namespace (up to ${MAX_NETNS} characters)`);
  }
  if (interfaceName.length > MAX_INTERFACE_NAME || !/^[\x21-\x2e\x30-\x7e]*$/.test(interfaceName)) {
    check.fail(
      `${at}.interface_name`,
      interfaceName,
      `an interface's name (up to ${MAX_INTERFACE_NAME} characters)`,
    );
  }
  return { netns, interfaceName };
}

/** An address with or without prefix length: IPDK's agent sends "10.244.1.7/32". */
function readAddress(check: Checker, field: string, text: string): IPv4 {
  const [address = '', length = '32', ...rest] = text.split('/');
  const ip = parseIPv4(address);
  if (ip === undefined || !isUnicastIPv4(ip) || rest.length > 0 || !/^([12]?\d|3[0-2])$/.test(length)) {
    return check.fail(field, text, 'a unicast IPv4 address, such as "10.244.1.7/32" or "10.244.1.7"');
  }
  return ip;
}

/** Only for people, so it may be missing. */
function readName(check: Checker, field: string, name = ''): string {
  return name === '' ? '' : check.name(field, name);
}

function missing(call: string, field: string): never {
  throw new ManagerError('INVALID_OBJECT', `${call}: ${field} is missing`, { details: { field } });
}
