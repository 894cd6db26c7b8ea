import { P4Program } from '@infra-offload/p4info';
import { describe, expect, it } from 'vitest';
import { extendSpec } from './extend-spec.js';

const info = (annotation: string) =>
  P4Program.parse(
    `pkg_info { arch: "pna" } tables { preamble { id: 1 name: "c.flow" alias: "flow" annotations: ${JSON.stringify(annotation)} } }`,
  );
const NO_MARKS = info('@name("flow")');

const METADATA = 'struct m_t {\n\tbit<8> local_metadata_op\n\tbit<8> local_metadata_swx_forget\n}\n';
const learner = (name: string) =>
  `\nlearner ${name} {\n\tkey {\n\t\tm.k\n\t}\n\tsize 0x400\n\ttimeout {\n\t\t10\n\t\t30\n\n\t\t}\n}\n`;

describe('extendSpec', () => {
  it('leaves a spec without marks as it is', () => {
    const spec = `action NoAction args none {\n\treturn\n}\n${learner('flow')}`;
    expect(extendSpec(spec, NO_MARKS)).toBe(spec);
  });

  it('forgets where swx_forget is assigned, labels kept, and drops the field', () => {
    const spec = `${METADATA}action hit args none {\n\tmov m.local_metadata_swx_forget 0x1\n\tL :\tmov m.local_metadata_swx_forget 1\n\treturn\n}\n`;
    expect(extendSpec(spec, NO_MARKS)).toBe(
      'struct m_t {\n\tbit<8> local_metadata_op\n}\naction hit args none {\n\tforget\n\tL :\tforget\n\treturn\n}\n',
    );
  });

  it('reads the number of the entry where swx_entry_id is assigned', () => {
    const spec =
      'action hit args none {\n\tmov m.local_metadata_swx_entry_id 0x1\n\tmov m.x m.local_metadata_swx_entry_id\n}\n';
    expect(extendSpec(spec, NO_MARKS)).toBe(
      'action hit args none {\n\tentryid m.local_metadata_swx_entry_id\n\tmov m.x m.local_metadata_swx_entry_id\n}\n',
    );
  });

  it.each([
    ['another value', 'action hit args none {\n\tmov m.local_metadata_swx_forget 0x0\n}'],
    ['a read', 'action hit args none {\n\tjmpeq L m.local_metadata_swx_forget 0x1\n}'],
    ['a place outside of actions', 'apply {\n\tmov m.local_metadata_swx_forget 0x1\n}'],
  ])('refuses swx_forget for %s', (_what, code) => {
    expect(() => extendSpec(METADATA + code, NO_MARKS)).toThrow(
      /swx_forget is for assignments of 1 in actions/,
    );
  });

  it('sends the packet where swx_transmit is assigned, labels kept, as at the end of the program', () => {
    const metadata = 'struct m_t {\n\tbit<8> local_metadata_op\n\tbit<8> local_metadata_swx_transmit\n}\n';
    const end = 'LABEL_END :\temit h.a\n\temit h.b\n\ttx m.port\n}\n';
    const parser = '\trx m.port\n\textract h.a\n\tM :\textract h.b\n';
    const code = `apply {\n${parser}\tL :\tmov m.local_metadata_swx_transmit 0x1\n\tmov m.x 1\n\t${end}`;
    expect(extendSpec(metadata + code, NO_MARKS)).toBe(
      `struct m_t {\n\tbit<8> local_metadata_op\n}\napply {\n${parser}\tL :\temit h.a\n\temit h.b\n\ttx m.port\n\tmov m.x 1\n\t${end}`,
    );
  });

  it('sends no headers there that the packet cannot have yet', () => {
    const action = 'action a args none {\n\tvalidate h.d\n\treturn\n}\n';
    const end = ['a', 'b', 'c', 'd'].map((header) => `\temit h.${header}\n`).join('');
    const mark = '\tmov m.local_metadata_swx_transmit 0x1\n';
    const code = (at: string) =>
      `${action}apply {\n\textract h.a\n${at}\textract h.b\n\tvalidate h.c\n${end}\ttx m.port\n}\n`;
    expect(extendSpec(code(mark), NO_MARKS)).toBe(code('\temit h.a\n\temit h.d\n\ttx m.port\n'));
  });

  it('takes a header from what is not parsed where swx_extract is assigned', () => {
    const head = 'struct m_t {\n\tbit<8> local_metadata_op\n';
    const header = '\nheader rest instanceof rest_t\n';
    const code = `${head}\tbit<8> local_metadata_swx_extract_rest\n}${header}apply {\n\tL :\tmov m.local_metadata_swx_extract_rest 0x1\n}`;
    expect(extendSpec(code, NO_MARKS)).toBe(`${head}}${header}apply {\n\tL :\textract h.rest\n}`);
  });

  it.each([
    ['a header that is not there', 'apply {\n\tmov m.local_metadata_swx_extract_rest 0x1\n}'],
    [
      'another value',
      '\nheader rest instanceof rest_t\napply {\n\tmov m.local_metadata_swx_extract_rest 0x0\n}',
    ],
    [
      'an action',
      '\nheader rest instanceof rest_t\naction a args none {\n\tmov m.local_metadata_swx_extract_rest 0x1\n}',
    ],
  ])('refuses swx_extract for %s', (_what, code) => {
    expect(() => extendSpec(code, NO_MARKS)).toThrow(/swx_extract_rest is for assignments of 1 in apply/);
  });

  it.each([
    ['another value', 'apply {\n\tmov m.local_metadata_swx_transmit 0x0\n\temit h.a\n\ttx m.port\n}'],
    [
      'an action',
      'action a args none {\n\tmov m.local_metadata_swx_transmit 0x1\n}\napply {\n\ttx m.port\n}',
    ],
  ])('refuses swx_transmit for %s', (_what, code) => {
    expect(() => extendSpec(code, NO_MARKS)).toThrow(/swx_transmit is for assignments of 1 in apply/);
  });

  it('gives a learner the timeouts of its annotation, and others none', () => {
    const spec = learner('other') + learner('flow') + learner('flow_2');
    expect(extendSpec(spec, info('@swx_timeouts("5 86400 7")'))).toBe(
      learner('other') +
        learner('flow').replace('\t\t10\n\t\t30\n\n', '\t\t5\n\t\t86400\n\t\t7\n') +
        learner('flow_2'),
    );
  });

  it.each(['', '0', '1.5', '1  2', Array(17).fill('9').join(' ')])('refuses the timeouts "%s"', (seconds) => {
    expect(() => extendSpec(learner('flow'), info(`@swx_timeouts("${seconds}")`))).toThrow(
      /1 to 16 timeouts/,
    );
  });

  it('refuses timeouts for what is not a learner', () => {
    const spec = learner('flow').replace('learner', 'table');
    expect(() => extendSpec(spec, info('@swx_timeouts("1")'))).toThrow(
      'flow has timeouts but is not a learner',
    );
  });
});
