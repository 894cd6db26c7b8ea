/** A pod interface of the pool that is in the agent's network namespace now, free or not. */
export interface PoolMember {
  /** What it is called now. */
  readonly name: string;
  readonly mac: string;
  /**
   * Bus and name of the device behind it, such as `pci/0000:18:01.3`: what tells it apart even after the pod, or the
   * kernel when the pod's namespace ended, has given it another name. Absent if the link is all there is.
   */
  readonly device?: string;
  /** What it is to be called, if the pool knows better than the present name and nobody remembers another one. */
  readonly properName?: string;
}

/** Why there is no free interface, for whoever operates the node. */
export interface Exhaustion {
  /** After "no free interface: <n> are attached to pods": what else keeps interfaces from pods, or how many there are. */
  readonly reason: string;
  readonly advice: string;
}

/** Where the interfaces of one kind come from that are moved into pods. */
export interface InterfacePool {
  /** Those for pods, in the order in which they are given away. */
  members(): Promise<readonly PoolMember[]>;

  /** Whether an interface that is in a pod now may be from this pool. */
  mayHave(interfaceName: string, device: string | undefined): boolean;

  /**
   * Makes one more, where the kind can.
   *
   * @returns why there cannot be another; undefined if there is one now.
   */
  grow?(): Promise<Exhaustion | undefined>;

  /** @param inPods devices that are in pods, so that it is no wonder that they are not here. */
  explainExhaustion(inPods: ReadonlySet<string>): Promise<Exhaustion>;

  /** The interface that leads to the node's kernel; undefined if it is not there. */
  hostInterface(): Promise<string | undefined>;

  /** The same in words, whether it is there or not. */
  readonly hostInterfaceLabel: string;
}
