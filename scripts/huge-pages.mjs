import { readFileSync, writeFileSync } from 'node:fs';

const SETTING = '/proc/sys/vm/nr_hugepages';
/** Memory that must be left to everything else, as a multiple of what is reserved. */
const REST = 3;

function memory(field) {
  const found = new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(readFileSync('/proc/meminfo', 'utf8'));
  return found === null ? 0 : Number(found[1]);
}

/**
 * Sees to it that so many megabytes of huge pages are free. Gives a function that sets the reservation back to what it was,
 * or the reason why there are none.
 */
export function reserveHugePages(megabytes) {
  const pageKb = memory('Hugepagesize');
  if (pageKb === 0) return { reason: 'this kernel has no huge pages' };
  const pages = Math.ceil((megabytes * 1024) / pageKb);
  const missing = pages - memory('HugePages_Free');
  if (missing <= 0) return { giveBack: () => undefined };
  if (memory('MemAvailable') < missing * pageKb * REST) return { reason: 'not enough memory' };
  const before = readFileSync(SETTING, 'utf8').trim();
  const giveBack = () => writeFileSync(SETTING, before);
  try {
    writeFileSync(SETTING, String(Number(before) + missing));
  } catch (error) {
    return {
      reason: error.code === 'EACCES' || error.code === 'EROFS' ? 'not permitted (root?)' : error.message,
    };
  }
  if (memory('HugePages_Free') >= pages) return { giveBack };
  giveBack();
  return { reason: 'memory is too fragmented' };
}
