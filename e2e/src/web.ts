import type { ServiceOptions } from '@infra-offload/testbed';

/** The service of most tests; pods made with `addServers(bed, WEB, names)` answer its clients. */
export const WEB: ServiceOptions = {
  name: 'web',
  clusterIp: '10.96.0.10',
  ports: [{ name: 'http', port: 80, targetPort: 8080 }],
};
export const HTTP = { protocol: 'tcp', address: WEB.clusterIp, port: 80 } as const;
