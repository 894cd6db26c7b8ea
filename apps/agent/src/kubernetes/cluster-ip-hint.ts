/**
 * What helps if the API server does not answer at its ClusterIP, which is where pods are told to ask. It works for those that
 * something serves already; the agent has yet to have it served.
 *
 * @param env of the pod, as kubelet makes it
 * @returns undefined if the server is asked at another address
 */
export function clusterIpHint(env: NodeJS.ProcessEnv): string | undefined {
  const { KUBERNETES_SERVICE_HOST: asked, KUBERNETES_PORT_443_TCP_ADDR: clusterIp } = env;
  if (asked === undefined || asked !== clusterIp) return undefined;
  return (
    `${asked} is the ClusterIP of the API server, which works only once the agent has had it served: ` +
    `put the server's own address into the ConfigMap kubernetes-services-endpoint (make deploy API_SERVER=host:port)`
  );
}
