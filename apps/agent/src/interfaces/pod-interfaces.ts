import type { Attachment } from './attachment.js';

/** An interface taken from the pool, not yet in a pod. */
export interface AllocatedInterface {
  /** As the target names it. */
  readonly name: string;
  readonly mac: string;
  /** Bus and name of the device behind it, where there is one that outlives its link's names. */
  readonly device?: string;
}

/** How many interfaces the pool has. */
export interface PoolUsage {
  /** Free now. */
  readonly free: number;
  /** Taken by attachments. */
  readonly taken: number;
}

/** What a look at the system says about an attachment. */
export type AttachmentCondition =
  /** The interface is in its pod. */
  | 'in-place'
  /** The pod's namespace lives, but the interface is back in the pool: the target has made it anew. */
  | 'returned'
  /** The pod's namespace lives, but the interface is nowhere: the target may make it anew. */
  | 'missing'
  /** The pod's namespace is gone; there may be another one at its path, even with its inode. */
  | 'netns-gone';

/**
 * The interfaces that the target offers for pods, of one kind. Callers see to it that no two calls work on one
 * attachment at once.
 */
export interface PodInterfaces {
  /**
   * Takes a free interface, or makes one; it is not given away again until `release`, or `discard` if nothing came of it.
   *
   * @throws CniError 11 if none is free.
   */
  allocate(): Promise<AllocatedInterface>;

  /** Gives back an interface for which `configure` was never called. */
  discard(interfaceName: string): void;

  /** Gives an interface away to nobody for a while: the target does not know it. */
  avoid(interfaceName: string): void;

  /**
   * Moves the interface into the pod's namespace and sets name, address, MTU and routes. It may fail halfway: then
   * `release` undoes it.
   *
   * @throws CniError 100 if the pod has an interface of that name.
   */
  configure(attachment: Attachment): Promise<void>;

  /** Brings the interface back into the pool, from wherever it is now. Succeeds if it is gone with its namespace. */
  release(attachment: Attachment): Promise<void>;

  /** What is not as `configure` left it, in words; empty if all is well. */
  check(attachment: Attachment): Promise<string[]>;

  /**
   * Takes over attachments of an earlier run: their interfaces count as taken from now on.
   */
  recover(attachments: readonly Attachment[]): void;

  /** Whether an attachment that was found in the system has an interface as this kind, so configured, gives to pods. */
  isOurs(attachment: Attachment): boolean;

  /** Marks an interface in its pod that an agent without marks has attached. @returns the attachment to be kept. */
  mark(attachment: Attachment): Promise<Attachment>;

  /** Looks where the attachment's interface is now. */
  locate(attachment: Attachment): Promise<AttachmentCondition>;

  /** Interfaces that count as taken and are nevertheless in the pool: the target has made them anew. */
  returned(): Promise<ReadonlySet<string>>;

  usage(): Promise<PoolUsage>;

  /**
   * The interface that leads to the node's own kernel, never given to a pod. It is made if the kind's interfaces are for
   * the agent to make.
   *
   * @returns its name; undefined if it is not there.
   */
  hostInterface(): Promise<string | undefined>;

  /** The same in words, whether it is there or not: `interface P4TAP_0`. */
  readonly hostInterfaceLabel: string;
}
