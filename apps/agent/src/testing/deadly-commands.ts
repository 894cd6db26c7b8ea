import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** When a command ends the process that runs it. */
export interface Kill {
  /** Beginning of the command, `nsenter … ip -batch` written as `nsenter ip -batch`: without paths and names. */
  readonly command: 'ip link set' | 'nsenter ip -batch' | 'nsenter ip -details' | 'nsenter ip link set';
  /** `halfway` runs the first three lines of a batch. */
  readonly when: 'before' | 'halfway' | 'after';
}

/**
 * The real `ip` and `nsenter` under the same names, which kill the process that has started them as they are told, once; and
 * an `nft` that does nothing but fail, since the kernel is the machine's own.
 */
export class DeadlyCommands {
  /** For the beginning of the PATH. */
  readonly directory: string;
  readonly #order: string;

  constructor(parent: string) {
    this.directory = join(parent, 'deadly');
    this.#order = join(parent, 'kill');
    mkdirSync(this.directory);
    for (const name of ['ip', 'nsenter']) {
      const file = join(this.directory, name);
      writeFileSync(
        file,
        `#!/bin/sh
PATH=$(echo "$PATH" | sed 's#^[^:]*/deadly:##')
[ -e ${this.#order} ] || exec ${name} "$@"
came=$(echo "${name} $*" | sed 's# --net=[^ ]*##')
read -r when command <${this.#order}
case "$came" in "$command"*) ;; *) exec ${name} "$@";; esac
rm ${this.#order}
case $when in
halfway) head -n 3 | ${name} "$@";;
after) ${name} "$@";;
esac
kill -9 $PPID
`,
      );
      chmodSync(file, 0o755);
    }
    const nft = join(this.directory, 'nft');
    writeFileSync(nft, '#!/bin/sh\nexit 1\n');
    chmodSync(nft, 0o755);
  }

  arm({ command, when }: Kill): void {
    writeFileSync(this.#order, `${when} ${command}\n`);
  }

  /** Whether the armed kill has not happened. */
  get isArmed(): boolean {
    return existsSync(this.#order);
  }
}
