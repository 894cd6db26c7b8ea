import { type CommandOptions, type CommandResult, must, run } from './shell.js';

/** Where commands run. */
export interface Place {
  /** The command line that runs `command` there. */
  wrap(command: string, args: readonly string[]): [string, string[]];
  run(command: string, args: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  /** @throws Error with what the command wrote to standard error */
  must(command: string, args: readonly string[], options?: CommandOptions): Promise<string>;
}

/** A named network namespace of this machine, made and removed by the testbed. */
export class NetworkNamespace implements Place {
  private constructor(readonly name: string) {}

  /** Makes the namespace with its loopback interface up. */
  static async create(name: string): Promise<NetworkNamespace> {
    await must('ip', ['netns', 'add', name]);
    const namespace = new NetworkNamespace(name);
    await namespace.must('ip', ['link', 'set', 'lo', 'up']);
    return namespace;
  }

  /** What CNI_NETNS carries. */
  get path(): string {
    return `/run/netns/${this.name}`;
  }

  /** The command line that runs `command` in here. No mount namespace is made, unlike with `ip netns exec`. */
  wrap(command: string, args: readonly string[]): [string, string[]] {
    return ['nsenter', [`--net=${this.path}`, '--', command, ...args]];
  }

  run(command: string, args: readonly string[], options?: CommandOptions): Promise<CommandResult> {
    return run(...this.wrap(command, args), options);
  }

  must(command: string, args: readonly string[], options?: CommandOptions): Promise<string> {
    return must(...this.wrap(command, args), options);
  }

  /** Succeeds when it is gone already. */
  async remove(): Promise<void> {
    await run('ip', ['netns', 'del', this.name]);
  }
}
