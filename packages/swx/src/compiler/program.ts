import { SwxError } from '../errors.js';
import type { Instruction, SwxSpec } from '../spec.js';
import { unitCode } from './flow.js';
import type { Layout } from './layout.js';
import type { TraceSites } from './sites.js';
import { lookupFunctions } from './tables.js';
import { type ProgramContext, Unit } from './unit.js';

/** Helpers of generated code. */
const PRELUDE = `
function emit(o,n){const c=E[0];if(c!==0&&E[2*c-1]+E[2*c]===o){E[2*c]+=n}else if(2*c+2<E.length){E[0]=c+1;E[2*c+1]=o;E[2*c+2]=n}else X.tooManyEmits()}
function checksum(d,s){let r=(~d&65535)+s;r=(r&65535)+(r>>>16);r=(r&65535)+(r>>>16);r=~r&65535;return r===0?65535:r}
function sum16(o,n){let s=0;for(const end=o+(n&-4);o<end;o+=2)s+=D.getUint16(o);return s}
`;

/** Objects of the runtime by kind, each kind numbered in the order of the spec. Tables, selectors, learners share numbers. */
export interface ObjectNumbers {
  readonly tables: ReadonlyMap<string, number>;
  readonly registers: ReadonlyMap<string, number>;
  readonly meters: ReadonlyMap<string, number>;
}

export function numberObjects(spec: SwxSpec): ObjectNumbers {
  const number = (names: Iterable<string>): Map<string, number> =>
    new Map([...names].map((name, i) => [name, i]));
  return {
    tables: number([...spec.tables.keys(), ...spec.learners.keys(), ...spec.selectors.keys()]),
    registers: number(spec.registers.keys()),
    meters: number(spec.meters.keys()),
  };
}

/**
 * The source of a program: the body of a function of one parameter `X`, the runtime (see runtime/machine.ts), that
 * returns the function which runs the packet in the buffer.
 */
export function programSource(spec: SwxSpec, layout: Layout, sites: TraceSites | undefined): string {
  const numbers = numberObjects(spec);
  const context: ProgramContext = {
    spec,
    layout,
    ...numbers,
    registerMask: (name) => registerSize(spec.registers.get(name)?.size ?? 1) - 1,
    sites,
    endingActions: endingActions(spec),
    spend: budget(spec),
    asksAction: [spec.apply, ...[...spec.actions.values()].map(({ instructions }) => instructions)].some(
      (list) => list.some(({ op }) => op === 'jmpa' || op === 'jmpna'),
    ),
  };
  const code: string[] = [
    `'use strict';`,
    'const M=X.state,B=X.buffer,D=X.view,E=X.emits,H=X.scratch,C=X.lookups,Z=X.tracer;',
  ];
  code.push('let L=null;');
  for (const number of numbers.registers.values()) code.push(`const G${number}=X.registers[${number}];`);
  for (const [name, number] of numbers.tables) code.push(tableConstants(spec, name, number));
  code.push(PRELUDE, lookupFunctions(context));
  for (const action of spec.actions.values()) {
    const name = `a${layout.actionIds.get(action.name) ?? 0}`;
    code.push(unitCode(new Unit(context, action, action.instructions), name, 'R,b').functions);
  }
  const apply = unitCode(new Unit(context, undefined, spec.apply), 'run', '');
  code.push(apply.functions, `return ${apply.entry};`);
  return code.join('\n');
}

function tableConstants(spec: SwxSpec, name: string, n: number): string {
  if (spec.selectors.has(name)) return `const T${n}=X.tables[${n}],K${n}=T${n}.key;`;
  if (spec.learners.has(name)) {
    return `const T${n}=X.tables[${n}],S${n}=T${n}.store,I${n}=T${n}.index,K${n}=T${n}.key;`;
  }
  return `const S${n}=X.tables[${n}].store,I${n}=X.tables[${n}].exact,T${n}=X.tables[${n}].ternary,K${n}=T${n}&&T${n}.key;`;
}

/** Programs of p4c make some 100 kB. Instructions on wide fields make a statement for each of their words. */
const MAX_CODE = 32 << 20;

function budget({ file }: SwxSpec): ProgramContext['spend'] {
  let left = MAX_CODE;
  return (characters) => {
    left -= characters;
    if (left >= 0) return;
    throw new SwxError(
      'UNSUPPORTED',
      `${file}: the program is too large: it makes over ${MAX_CODE} bytes of code`,
    );
  };
}

/** SWX rounds the size of a register array up to a power of two and wraps indexes. */
export function registerSize(declared: number): number {
  return 2 ** Math.ceil(Math.log2(declared));
}

function endingActions(spec: SwxSpec): ReadonlySet<string> {
  const ends = ({ op }: Instruction): boolean => op === 'tx' || op === 'drop';
  return new Set(
    [...spec.actions.values()].filter(({ instructions }) => instructions.some(ends)).map(({ name }) => name),
  );
}
