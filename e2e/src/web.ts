import type { ServiceOptions } from '@infra-offload/testbed';

/** The service of most tests; pods made with `addServers(bed, WEB, names)` answer its clients. */
export const WEB: ServiceOptions = {
  name: 'web',
  clusterIp: '10.96.0.10',
  ports: [{ name: 'http', port: 80, targetPort: 8080 }],
};
export const HTTP = { protocol: 'tcp', address: WEB.clusterIp, port: 80 } as const;

/** The same service with more ports, and how those are reached. */
export const WEB_ADMIN_DNS: ServiceOptions = {
  ...WEB,
  ports: [
    ...WEB.ports,
    { name: 'admin', port: 81, targetPort: 9090 },
    { name: 'dns', protocol: 'UDP', port: 53, targetPort: 5353 },
  ],
};
export const ADMIN = { protocol: 'tcp', address: WEB.clusterIp, port: 81 } as const;
export const DNS = { protocol: 'udp', address: WEB.clusterIp, port: 53 } as const;
