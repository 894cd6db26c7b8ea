/** CNI error codes of infra-cni's own, beside those of the specification. */
export const InfraCniErrorCode = {
  /** The container already has an interface of that name, or is attached already. */
  interfaceExists: 100,
  /** Another pod holds the address. */
  addressInUse: 101,
  /** The data plane refused the pod. */
  dataPlane: 102,
  /** CHECK: something is not as ADD left it. */
  checkFailed: 103,
  /** IPAM answered with addresses that cannot be used: none, several, or IPv6. */
  unusableAddress: 104,
} as const;
