/** Clients with every kind of identity, at every port of the programs as they run. */
import { faultTest } from '@infra-offload/faults';
import type { AbuseIdentity } from '@infra-offload/faults/http2';
import {
  createAuthority,
  type Identity,
  issue,
  type LeafOptions,
  ROLES,
  type Role,
} from '@infra-offload/tls-certs';
import { afterAll, beforeAll, expect } from 'vitest';
import { TlsFixture } from '../tls-fixture.js';
import { type Door, Doors } from './support/doors.js';

const DAY_MS = 86_400_000;
const EXPIRED = { notBefore: new Date(Date.now() - 2 * DAY_MS), notAfter: new Date(Date.now() - DAY_MS) };
const FUTURE = { notBefore: new Date(Date.now() + DAY_MS), notAfter: new Date(Date.now() + 2 * DAY_MS) };
const BITS = { bits: 2048 } as const;

const fixture = new TlsFixture();
let doors: Doors;

beforeAll(async () => {
  doors = await Doors.open(fixture);
});
afterAll(() => fixture.remove());

/** Which roles a port is for; everybody else is told why not. */
const ENTITLED: Readonly<Record<Door['server'], readonly Role[]>> = {
  manager: ['agent', 'operator'],
  target: ['controller'],
  agent: [],
  controller: [],
  operator: [],
};

interface Case {
  readonly name: string;
  readonly identity: AbuseIdentity | undefined;
  readonly expected: RegExp;
}

const OK = /^OK$/;
const UNTRUSTED = /UNAUTHENTICATED: .*was not issued by an authority that is trusted here/;
const REFUSED = /^UNAUTHENTICATED: the client is refused: the certificate /;
const NOBODY = /UNAUTHENTICATED: the client has no certificate/;

const of = ({ certificate: cert, key }: Identity): AbuseIdentity => ({ cert, key });

/** 26 identities for one port. */
async function identities({ role, server }: Door): Promise<Case[]> {
  const own = (options: LeafOptions = {}) => fixture.issue(role, options);
  const foreign = (options: LeafOptions = {}) => fixture.issue(role, options, fixture.stranger);
  const authority = await fixture.authority;
  const [right, strange, stranger] = [await own(), await foreign(), await fixture.stranger];
  const selfSigned = async (name: string, dates: object = {}) =>
    of(await createAuthority({ ...BITS, name, ...dates }));
  // Of the right name, which is all that is the same.
  const namesake = createAuthority(BITS);
  const roles = await Promise.all(
    ROLES.map(async (other) => ({
      name: `the role ${other}`,
      identity: of(await fixture.issue(other)),
      expected: ENTITLED[server].includes(other)
        ? OK
        : /^(PERMISSION_DENIED: .*is that of|UNAUTHENTICATED: .*is not for this purpose)/,
    })),
  );
  const refused = (name: string, identity: AbuseIdentity, expected = UNTRUSTED): Case => ({
    name,
    identity,
    expected,
  });
  return [
    ...roles,
    { name: 'plain text', identity: undefined, expected: /UNAUTHENTICATED: the client does not speak TLS/ },
    { name: 'no certificate', identity: {}, expected: NOBODY },
    { name: 'another key size', identity: of(await own({ bits: 4096 })), expected: OK },
    { name: 'names that it does not need', identity: of(await own({ names: manyNames(300) })), expected: OK },
    { name: 'no names', identity: of(await own({ onlyNames: [] })), expected: OK },
    {
      name: 'a chain with a stranger in it',
      identity: { cert: `${right.certificate}${stranger.certificate}`, key: right.key },
      expected: OK,
    },
    refused('expired', of(await own(EXPIRED)), /UNAUTHENTICATED: .*expired on/),
    refused('not valid yet', of(await own(FUTURE)), /UNAUTHENTICATED: .*is not valid before/),
    refused('of a stranger', of(strange)),
    refused('of a stranger, expired', of(await foreign(EXPIRED)), /^UNAUTHENTICATED: /),
    refused('of a stranger, not valid yet', of(await foreign(FUTURE)), /^UNAUTHENTICATED: /),
    refused('of a namesake of the authority', of(await issue(await namesake, role, BITS))),
    refused('of a stranger, with the authority behind it', {
      cert: `${strange.certificate}${authority.certificate}`,
      key: strange.key,
    }),
    refused("the stranger's own", of(stranger), REFUSED),
    refused("the authority's own", of(authority), /^(PERMISSION_DENIED|UNAUTHENTICATED): /),
    refused('self-signed', await selfSigned('somebody'), REFUSED),
    refused('self-signed, with the name of a role', await selfSigned('infraagent-client'), REFUSED),
    refused('self-signed, with the name of a controller', await selfSigned('stratum-client'), REFUSED),
    refused('self-signed, expired', await selfSigned('somebody', EXPIRED), REFUSED),
    refused('self-signed, of a name with controls', await selfSigned('a\nb\r\u001b[2Jc'), REFUSED),
    refused('self-signed, of 30,000 characters', await selfSigned('x'.repeat(30_000)), REFUSED),
  ];
}

function manyNames(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `host-${i}.example`);
}

faultTest(
  {
    fault: '26 client identities at three ports',
    promise: 'who is entitled is answered, everybody else is told why not; the programs go on',
    sample: 78,
    most: 10_000,
  },
  async ({ cases, random }) => {
    // The target has two ports for the same clients.
    const byRole = new Map<Role, Promise<Case[]>>();
    for (const door of doors.all) byRole.set(door.role, byRole.get(door.role) ?? identities(door));
    const matrix: (Case & { readonly door: Door })[] = [];
    for (const door of doors.all) {
      for (const one of (await byRole.get(door.role)) ?? []) matrix.push({ door, ...one });
    }
    expect(matrix).toHaveLength(78);
    const told = { answered: 0, refused: 0 };
    for (let i = 0; i < cases; i++) {
      const one = matrix[i] ?? random.pick(matrix);
      const answer = await doors.answerTo(one.door, one.identity);
      expect(answer, `${one.name} at ${one.door.name}`).toMatch(one.expected);
      if (answer === 'OK') told.answered++;
      else told.refused++;
    }
    for (const { program } of doors.all) expect(program.ended).toBe(false);
    return `${told.answered} answered, ${told.refused} refused`;
  },
);
