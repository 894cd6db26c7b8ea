import { dropUnread, type Line, nameOf, splitLifetimes } from './lifetimes.js';

/** Bytes of metadata that an operand of SWX reaches in DPDK 22.11: its offset has 8 bits, and nothing checks that. */
const METADATA_BYTES = 256;
/** How p4c names its temporaries and the program's variables; all else is the program's metadata. */
const TEMPORARY = /^Main(?:Control|Parser)T_/;

/** The instructions of an action, or of `apply`, with what they do to temporaries. */
interface Unit {
  readonly name: string;
  lines: Line[];
}

/** Neighbours that arguments of learned entries have, one entry after the other. */
interface Run {
  readonly bits: readonly number[];
  readonly names: readonly string[];
}

/** A place that temporaries of the same width use one after the other. */
interface Slot {
  readonly name: string;
  /** Line after which it is free. */
  until: number;
}

/**
 * Gives p4c's temporaries shared places if the metadata is too large without, since p4c makes a new one for each and SWX reaches only the first 256 bytes of
 * metadata. Those that nobody reads are left out. In each action and in `apply`, a temporary has a place from a line that
 * writes it to the one that reads it last before it is written again; p4c jumps forward only, so that nothing else can happen in
 * between. The arguments of learned entries stay one run.
 *
 * @throws Error when a program jumps back, or when its metadata still does not fit.
 */
export function shareTemporaries(spec: string): string {
  const lines = spec.split('\n');
  const widths = metadataOf(lines);
  if ([...widths.values()].reduce((sum, bits) => sum + bits / 8, 0) <= METADATA_BYTES) return spec;
  const temporaries = temporariesOf(lines, widths);
  const slots: [name: string, bits: number][] = [];
  const runs: Run[] = [];
  const result: string[] = [];
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] ?? '';
    result.push(line);
    if (!/^(?:action .*|apply )\{$/.test(line)) continue;
    const unit: Unit = { name: line.startsWith('apply') ? 'apply' : (line.split(' ')[1] ?? ''), lines: [] };
    while (lines[i + 1] !== '}') unit.lines.push(parse(lines[++i] ?? ''));
    checkJumps(unit);
    unit.lines = dropUnread(unit.lines, temporaries);
    const places = placeRuns(unit, widths, temporaries, (action) => argumentsOf(lines, action), runs);
    const lives = splitLifetimes(unit.lines, new Set([...temporaries].filter((name) => !places.has(name))));
    placeOthers(unit, (name) => widths.get(lives.get(name) ?? ''), places, slots);
    for (const { head, words } of unit.lines) {
      const [op, ...operands] = words.map(
        (word) => places.get(nameOf(word) ?? '')?.replace(/^/, 'm.') ?? word,
      );
      const text = [head + op, ...operands].join(' ');
      // A move to itself, or the same mask once more.
      const isNothing =
        (op === 'mov' && operands[0] === operands[1]) || (op === 'and' && text === result.at(-1));
      if (!isNothing || head.includes(':')) result.push(text);
    }
  }
  const fields = [
    ...runs.flatMap(({ bits, names }) => names.map((name, i) => [name, bits[i] ?? 0] as const)),
    ...slots,
  ];
  return withFields(result, temporaries, fields);
}

function metadataOf(lines: readonly string[]): Map<string, number> {
  const struct = lines.find((line) => line.startsWith('metadata instanceof '))?.split(' ')[2];
  const start = lines.indexOf(`struct ${struct} {`);
  const widths = new Map<string, number>();
  for (let i = start + 1; start >= 0 && lines[i] !== '}'; i++) {
    const [, bits, name] = /^\tbit<(\d+)> (\w+)$/.exec(lines[i] ?? '') ?? [];
    if (name !== undefined) widths.set(name, Number(bits));
  }
  return widths;
}

/** Temporaries that one action uses, or `apply`, and no key. */
function temporariesOf(lines: readonly string[], widths: ReadonlyMap<string, number>): ReadonlySet<string> {
  const users = new Map<string, Set<string>>();
  let block = '';
  for (const line of lines) {
    if (line.endsWith('{') && !line.startsWith('\t')) block = line;
    for (const [, name = ''] of line.matchAll(/\bm\.(\w+)/g)) {
      const known = users.get(name);
      if (known === undefined) users.set(name, new Set([block]));
      else known.add(block);
    }
  }
  const isLocal = (name: string) =>
    [...(users.get(name) ?? [])].every((user) => user === 'apply {' || user.startsWith('action ')) &&
    (users.get(name)?.size ?? 0) <= 1;
  const local = new Set([...widths.keys()].filter((name) => TEMPORARY.test(name) && isLocal(name)));
  // What is hashed lies in a run, from the first field to the last.
  const order = [...widths.keys()];
  for (const { words } of lines.map(parse).filter(({ words: [op] }) => op === 'hash' || op === 'rss')) {
    const [from, to] = words.slice(-2).map((word) => order.indexOf(nameOf(word) ?? ''));
    for (const name of order.slice(from, (to ?? -1) + 1)) local.delete(name);
  }
  return local;
}

function parse(line: string): Line {
  const [, head = '', text = ''] = /^(\s*(?:\w+ :\t)?)(.*)$/.exec(line) ?? [];
  return { head, words: text.split(' ') };
}

function checkJumps({ name, lines }: Unit): void {
  const seen = new Set<string>();
  for (const { head, words } of lines) {
    const label = /(\w+) :/.exec(head)?.[1];
    if (label !== undefined) seen.add(label);
    const [op = '', target = ''] = words;
    if (op.startsWith('jmp') && seen.has(target)) throw new Error(`${name} jumps back to ${target}`);
  }
}

/** How many arguments an action has. */
function argumentsOf(lines: readonly string[], action: string): number {
  const head = lines.find((line) => line.startsWith(`action ${action} args `)) ?? '';
  const start = lines.indexOf(`struct ${head.split(' ')[4]} {`);
  return start < 0 ? 0 : lines.indexOf('}', start) - start - 1;
}

/** Arguments of learned entries: as many fields as the learned action has, from the one that `learn` names on. */
function placeRuns(
  unit: Unit,
  widths: ReadonlyMap<string, number>,
  temporaries: ReadonlySet<string>,
  argumentsOfAction: (action: string) => number,
  runs: Run[],
): Map<string, string> {
  const order = [...widths.keys()];
  const places = new Map<string, string>();
  for (const { words } of unit.lines) {
    const [op, action = '', field = ''] = words;
    const at = op === 'learn' ? order.indexOf(nameOf(field) ?? '') : -1;
    const members = at < 0 ? [] : order.slice(at, at + argumentsOfAction(action));
    if (members.length === 0 || !members.every((name) => temporaries.has(name))) continue;
    const bits = members.map((name) => widths.get(name) ?? 0);
    let number = runs.findIndex((run) => startsLike(bits, run.bits));
    if (number < 0) number = runs.push({ bits: [], names: [] }) - 1;
    const run = runs[number];
    if (run !== undefined && bits.length > run.bits.length)
      runs[number] = { bits, names: bits.map((_, i) => `learned_${number}_${i}`) };
    members.forEach((name, i) => {
      places.set(name, runs[number]?.names[i] ?? '');
    });
  }
  return places;
}

/** Whether one is how the other begins. */
function startsLike(a: readonly number[], b: readonly number[]): boolean {
  return a.every((width, i) => i >= b.length || b[i] === width);
}

/** @param widthOf tells the width of what needs a place, in bits. */
function placeOthers(
  unit: Unit,
  widthOf: (name: string) => number | undefined,
  places: Map<string, string>,
  slots: [string, number][],
): void {
  const pool = unit.name === 'apply' ? 'apply' : 'action';
  const last = new Map<string, number>();
  unit.lines.forEach(({ words }, i) => {
    for (const word of words) last.set(nameOf(word) ?? '', i);
  });
  const used = new Map<number, Slot[]>();
  unit.lines.forEach(({ words }, i) => {
    for (const word of words) {
      const name = nameOf(word);
      const bits = name === undefined ? undefined : widthOf(name);
      if (name === undefined || bits === undefined || places.has(name)) continue;
      const ofWidth = used.get(bits) ?? [];
      used.set(bits, ofWidth);
      // What `mov` reads for the last time may be where it writes.
      const isMoved = words[0] === 'mov' && nameOf(words[1] ?? '') === name;
      let slot = ofWidth.find(({ until }) => until < i || (isMoved && until === i));
      if (slot === undefined) {
        slot = { name: `${pool}_${bits}_${ofWidth.length}`, until: 0 };
        ofWidth.push(slot);
        const { name: slotName } = slot;
        if (!slots.some(([known]) => known === slotName)) slots.push([slotName, bits]);
      }
      slot.until = last.get(name) ?? i;
      places.set(name, slot.name);
    }
  });
}

function withFields(
  lines: readonly string[],
  temporaries: ReadonlySet<string>,
  fields: readonly (readonly [name: string, bits: number])[],
): string {
  const struct = lines.find((line) => line.startsWith('metadata instanceof '))?.split(' ')[2];
  const start = lines.indexOf(`struct ${struct} {`);
  if (start < 0) return lines.join('\n');
  const end = lines.indexOf('}', start);
  const kept = lines.slice(start + 1, end).filter((line) => !temporaries.has(line.split(' ')[1] ?? ''));
  const struct_ = [...kept, ...fields.map(([name, bits]) => `\tbit<${bits}> ${name}`)];
  const bytes = struct_.reduce((sum, line) => sum + Number(/bit<(\d+)>/.exec(line)?.[1]) / 8, 0);
  if (bytes > METADATA_BYTES)
    throw new Error(
      `${bytes} bytes of metadata; SWX reaches ${METADATA_BYTES}: ${fields.map(([name]) => name).join()}`,
    );
  return [...lines.slice(0, start + 1), ...struct_, ...lines.slice(end)].join('\n');
}
