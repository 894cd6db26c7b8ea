import { type Answer, AUTHORITATIVE_ANSWER, type Packet, type Question, type StringAnswer } from 'dns-packet';
import { podAddress, type Zone, type ZoneRecord } from './zone.js';

/** What a resolver keeps an answer "there is none" for. */
const NEGATIVE_SECONDS = 5;
const MOST_ALIASES = 8;
/** RCODE, RFC 1035 4.1.1. */
const NAME_ERROR = 3;
const REFUSED = 5;

/** An answer to a query with one question; with none or several it is refused, as is what lies outside of the cluster. */
export function answer(domain: string, zone: Zone, query: Packet): Packet {
  const { id = 0, questions = [], flags = 0 } = query;
  const [question] = questions;
  const reply = (rcode: number, more: Packet = {}): Packet => ({
    type: 'response',
    id,
    // RD as it came; the RCODE is in the last four bits.
    flags: (flags & 0x0100) | AUTHORITATIVE_ANSWER | rcode,
    questions,
    ...more,
  });
  if (question === undefined || questions.length > 1) return reply(REFUSED);
  const name = question.name.toLowerCase();
  const isOurs = isBelow(name, domain) || isBelow(name, 'in-addr.arpa');
  if (!isOurs) return reply(REFUSED);
  const answers = recordsFor(domain, zone, question);
  if (answers.length > 0) return reply(0, { answers });
  const exists = zone.has(name) || podAddress(domain, name) !== undefined;
  return reply(exists ? 0 : NAME_ERROR, { authorities: [authority(domain)] });
}

function isBelow(name: string, domain: string): boolean {
  return name === domain || name.endsWith(`.${domain}`);
}

function recordsFor(domain: string, zone: Zone, { name: asked, type }: Question): ZoneRecord[] {
  const found: ZoneRecord[] = [];
  let name = asked;
  for (let aliases = 0; aliases <= MOST_ALIASES; aliases += 1) {
    const records = zone.get(name.toLowerCase()) ?? ofPod(domain, name);
    // In the case that was asked for.
    const matching = records.filter((record) => record.type === type);
    found.push(...matching.map((record) => ({ ...record, name })));
    const alias = records.find(isAlias);
    if (alias === undefined || matching.includes(alias)) break;
    found.push({ ...alias, name });
    name = alias.data;
  }
  return found;
}

function isAlias(record: ZoneRecord): record is StringAnswer {
  return record.type === 'CNAME';
}

function ofPod(domain: string, name: string): ZoneRecord[] {
  const data = podAddress(domain, name.toLowerCase());
  return data === undefined ? [] : [{ type: 'A', name, data, ttl: NEGATIVE_SECONDS }];
}

function authority(domain: string): Answer {
  return {
    type: 'SOA',
    name: domain,
    ttl: NEGATIVE_SECONDS,
    data: {
      mname: `ns.dns.${domain}`,
      rname: `hostmaster.${domain}`,
      serial: 1,
      refresh: 7200,
      retry: 1800,
      expire: 86400,
      minimum: NEGATIVE_SECONDS,
    },
  };
}
