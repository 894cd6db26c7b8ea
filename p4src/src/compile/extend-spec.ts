import type { P4Program } from '@infra-offload/p4info';

/** Metadata whose assignment marks a place where the entry that was hit is to be forgotten. */
const FORGET = 'swx_forget';
/** Metadata that an assignment of 1 gives the number of the entry that was hit. */
const ENTRY_ID = 'swx_entry_id';
/** Metadata whose assignment marks a place where the packet is done with. */
const TRANSMIT = 'swx_transmit';
/** Metadata whose assignment marks a place where the header that its name ends in is taken from what has not been parsed. */
const EXTRACT = 'swx_extract';
/** Annotation of a learner with its timeouts in seconds: `@swx_timeouts("30 120")`. */
const TIMEOUTS = /^@swx_timeouts\("([^"]*)"\)$/;
/** More than these do not fit into a bucket of a learner (`RTE_SWX_TABLE_LEARNER_N_KEY_TIMEOUTS_MAX`). */
const MAX_TIMEOUTS = 16;

/**
 * Turns marked places of a program that p4c-dpdk has compiled into what SWX can do and P4 cannot say:
 *
 * - an assignment of 1 to the field `swx_forget` of the user's metadata, in an action of a learner, into `forget`;
 * - an assignment of 1 to the field `swx_entry_id`, in an action, into `entryid`;
 * - an assignment of 1 to the field `swx_transmit`, in `apply`, into what stands at its end: headers are emitted and the packet is
 *   sent. In P4 all packets come together before that, which costs compiled programs a jump between two functions or more. Headers
 *   that the packet cannot have yet are left out;
 * - an assignment of 1 to a field `swx_extract_x`, in `apply`, into the extraction of the header `x`, for which P4 has parsers only;
 * - the timeouts of a learner into those of the annotation `@swx_timeouts` of its table; p4c gives all learners the same eight.
 *
 * All else stays as it is. The same text comes of the same input.
 *
 * @throws Error when a mark is of no use: a `swx_forget` that is read or outside of actions, an annotation on what is no
 * learner, or timeouts that SWX does not take (1 to 16 of them, whole seconds from 1).
 */
export function extendSpec(spec: string, p4info: P4Program): string {
  return setTimeouts(transmitEarly(extractLate(replaceMarks(spec))), p4info);
}

/** A mark of `apply` as `<indent and label>mov m.<field> 1`; undefined for another line that names the field. */
function markIn(line: string): string | undefined {
  const [, head, value] = /^(\s*(?:\w+ :\t)?)mov m\.\w+ (\w+)$/.exec(line) ?? [];
  return Number(value) === 1 ? head : undefined;
}

function extractLate(spec: string): string {
  const lines = spec.split('\n');
  const apply = lines.indexOf('apply {');
  return lines
    .flatMap((line, i) => {
      const [, header] = new RegExp(`\\b\\w+_${EXTRACT}_(\\w+)\\b`).exec(line) ?? [];
      if (header === undefined) return [line];
      if (line.startsWith('\tbit<8> ')) return [];
      const head = markIn(line);
      if (head === undefined || apply < 0 || i < apply || !spec.includes(`\nheader ${header} instanceof `))
        throw new Error(`${EXTRACT}_${header} is for assignments of 1 in apply, not for: ${line.trim()}`);
      return [`${head}extract h.${header}`];
    })
    .join('\n');
}

function transmitEarly(spec: string): string {
  const lines = spec.split('\n');
  const apply = lines.indexOf('apply {');
  const [from, to] = ['emit', 'tx'].map((op) =>
    lines.findIndex((line, i) => i > apply && new RegExp(`^\\s*(?:\\w+ :)?\\t${op} `).test(line)),
  );
  const end = lines.slice(from, (to ?? -1) + 1).map((line) => line.replace(/^.*\t/, ''));
  /** Whether a packet may have a header at a line: programs jump forward only, but an action may be anywhere. */
  const mayHave = (header: string | undefined, at: number) =>
    lines.slice(0, at).some((line) => new RegExp(`\\t(?:extract|validate) ${header}$`).test(line));
  return lines
    .flatMap((line, i) => {
      if (!new RegExp(`\\b\\w+_${TRANSMIT}\\b`).test(line)) return [line];
      if (line.startsWith('\tbit<8> ')) return [];
      const head = markIn(line);
      if (head === undefined || apply < 0 || i < apply || end.length === 0)
        throw new Error(`${TRANSMIT} is for assignments of 1 in apply, not for: ${line.trim()}`);
      return end
        .filter((instruction) => {
          const [op, header] = instruction.split(' ');
          return op === 'tx' || mayHave(header, i);
        })
        .map((instruction, k) => (k === 0 ? head : '\t') + instruction);
    })
    .join('\n');
}

function replaceMarks(spec: string): string {
  let inAction = false;
  const lines = spec.split('\n').flatMap((line) => {
    if (line.startsWith('action ')) inAction = true;
    if (line.startsWith('}')) inAction = false;
    if (new RegExp(`^\\s*bit<8> \\w+_${FORGET}$`).test(line)) return [];
    const [, mark] = new RegExp(`\\bm\\.\\w+_(${FORGET}|${ENTRY_ID})\\b`).exec(line) ?? [];
    if (mark === undefined) return [line];
    const [, label = '', field = '', value] = /^(\s*(?:\w+ :\t)?)mov (m\.\w+) (\w+)$/.exec(line) ?? [];
    const isMark = inAction && field.endsWith(mark) && Number(value) === 1;
    if (isMark) return [label + (mark === FORGET ? 'forget' : `entryid ${field}`)];
    // The number of an entry may be read anywhere.
    if (mark === ENTRY_ID && !field.endsWith(mark)) return [line];
    throw new Error(`${mark} is for assignments of 1 in actions, not for: ${line.trim()}`);
  });
  return lines.join('\n');
}

function setTimeouts(spec: string, p4info: P4Program): string {
  let extended = spec;
  for (const { alias, annotations } of p4info.tables) {
    const text = annotations
      .map((annotation) => TIMEOUTS.exec(annotation)?.[1])
      .find((found) => found !== undefined);
    if (text === undefined) continue;
    const seconds = text.split(' ');
    if (seconds.length > MAX_TIMEOUTS || !seconds.every((word) => /^[1-9]\d*$/.test(word)))
      throw new Error(`${alias}: 1 to ${MAX_TIMEOUTS} timeouts of whole seconds are needed, not "${text}"`);
    const block = new RegExp(
      `(\\nlearner ${alias} \\{\\n(?:(?!\\n\\}).)*?\\ttimeout \\{\\n)[\\s\\d]*(\\t\\t\\})`,
      's',
    );
    if (!block.test(extended)) throw new Error(`${alias} has timeouts but is not a learner`);
    extended = extended.replace(
      block,
      (_, before, after) => `${before}${seconds.map((s) => `\t\t${s}\n`).join('')}${after}`,
    );
  }
  return extended;
}
