import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export type IpamFault =
  | 'ADD fails'
  | 'ADD fails after it'
  | 'ADD answers nonsense'
  | 'ADD is killed after it'
  | 'ADD kills infra-cni after it'
  | 'DEL fails';

/** Debian's host-local under the same name, which fails as it is told, once. */
export class FaultyIpam {
  /** For CNI_PATH. */
  readonly directory: string;
  readonly #fault: string;

  constructor(parent: string) {
    this.directory = join(parent, 'faulty-ipam');
    this.#fault = join(parent, 'ipam-fault');
    mkdirSync(this.directory);
    const file = join(this.directory, 'host-local');
    const real = '/usr/lib/cni/host-local';
    const error = `echo '{"cniVersion":"1.0.0","code":11,"msg":"injected"}'; exit 1`;
    writeFileSync(
      file,
      `#!/bin/sh
if [ -e ${this.#fault} ]; then
  fault=$(cat ${this.#fault})
  case "$fault" in "$CNI_COMMAND "*) rm ${this.#fault};; esac
  case "$CNI_COMMAND:$fault" in
  "ADD:ADD fails" | "DEL:DEL fails") ${error};;
  "ADD:ADD fails after it") ${real} >/dev/null; ${error};;
  "ADD:ADD answers nonsense") ${real} >/dev/null; echo nonsense; exit 0;;
  "ADD:ADD is killed after it") ${real} >/dev/null; kill -9 $$;;
  "ADD:ADD kills infra-cni after it") ${real} >/dev/null; kill -9 $PPID; exit 1;;
  esac
fi
exec ${real}
`,
    );
    chmodSync(file, 0o755);
  }

  arm(fault: IpamFault | undefined): void {
    if (fault === undefined) rmSync(this.#fault, { force: true });
    else writeFileSync(this.#fault, fault);
  }
}
