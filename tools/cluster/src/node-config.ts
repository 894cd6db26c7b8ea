/** Which data plane the target has. */
export type TargetKind = 'engine' | 'dpdk';

/** The image that keeps a pod's namespaces, as {@link containerdConfig} names it. */
export const SANDBOX_IMAGE = 'registry.k8s.io/pause:3.10.2';

/** Where pods ask for names. */
export const DNS_ADDRESS = '10.96.0.10';

/** containerd's configuration (version 3, of containerd 2), TOML. */
export function containerdConfig(runc: string, socket: string): string {
  return `version = 3
root = "/var/lib/containerd"
state = "/run/containerd"
[grpc]
address = "${socket}"
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = "${SANDBOX_IMAGE}"
[plugins.'io.containerd.cri.v1.runtime']
restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = ["/opt/cni/bin"]
conf_dir = "/etc/cni/net.d"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
BinaryName = "${runc}"
SystemdCgroup = false
`;
}

/** A KubeletConfiguration. Who reaches the node may ask it anything: nobody does but the API server, which is its neighbour. */
export function kubeletConfig(node: string, socket: string): object {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
    authorization: { mode: 'AlwaysAllow' },
    containerRuntimeEndpoint: `unix://${socket}`,
    cgroupDriver: 'cgroupfs',
    cgroupRoot: `/${node}`,
    failCgroupV1: false,
    failSwapOn: false,
    makeIPTablesUtilChains: false,
    clusterDNS: [DNS_ADDRESS],
    clusterDomain: 'cluster.local',
    // The machine's disk and memory are not the node's to guard.
    imageGCHighThresholdPercent: 100,
    imageGCLowThresholdPercent: 99,
    evictionHard: { 'memory.available': '50Mi', 'nodefs.available': '0%', 'imagefs.available': '0%' },
  };
}
