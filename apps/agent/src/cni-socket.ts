/** Where infra-cni finds infra-agent, if nobody says otherwise. */
export const defaultSocketPath = '/var/run/infra-offload/cni.sock';
