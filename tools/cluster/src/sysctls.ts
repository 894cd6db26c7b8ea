import { readFileSync, writeFileSync } from 'node:fs';

/** What kubelet sets for the whole machine. */
const CHANGED = [
  'vm/overcommit_memory',
  'vm/panic_on_oom',
  'kernel/panic',
  'kernel/panic_on_oops',
  'kernel/keys/root_maxkeys',
  'kernel/keys/root_maxbytes',
];

/** Remembers settings of the machine's kernel; the function puts them back. */
export function rememberSysctls(): () => void {
  const before = CHANGED.flatMap((name) => {
    try {
      return [[`/proc/sys/${name}`, readFileSync(`/proc/sys/${name}`, 'utf8')] as const];
    } catch {
      return [];
    }
  });
  return () => {
    for (const [file, value] of before) writeFileSync(file, value);
  };
}
