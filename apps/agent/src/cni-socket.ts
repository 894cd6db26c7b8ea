/** Where infra-cni finds infra-agent, if nobody says otherwise. */
export const DEFAULT_SOCKET_PATH = '/var/run/infra-offload/cni.sock';
