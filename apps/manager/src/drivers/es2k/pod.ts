import type { PodObject } from '../../model/objects.js';
import { conflictOf, podClaims } from '../common.js';
import type { CompileContext, Compiled } from '../driver.js';
import { type Es2kContext, interfaceRows, portOf, refused } from './interface.js';
import { isolationRows } from './policy.js';
import type { Es2kRow } from './rows.js';

/** A pod's rows. One that lacks its address or interface gets none. */
export function compilePod(es2k: Es2kContext, pod: PodObject, context: CompileContext): Compiled<Es2kRow> {
  const conflict = conflictOf(podClaims(pod, context), context);
  if (conflict !== undefined) return refused(conflict);
  const found = portOf(es2k, pod.interfaceName, context);
  if ('problem' in found) return refused(found.problem);
  const isolation = isolationRows(es2k.rows, pod, context.profiles(pod)).map((row) => row.key);
  return { rows: interfaceRows(es2k, pod, found.port, isolation), conditions: [] };
}
