import { faultTest, growsInProportion, mutatePem, Trial } from '@infra-offload/faults';
import { expect } from 'vitest';
import { TlsCertsError } from './errors.js';
import {
  chainTo,
  checkDates,
  checkKey,
  checkRoots,
  checkUsage,
  readCertificates,
  readPrivateKey,
} from './material.js';
import { hostNames, roleOf } from './roles.js';
import { Scratch } from './testing/scratch.js';

const scratch = new Scratch();
scratch.remove();
const authority = await scratch.authority;
const other = await scratch.other;
const leaf = await scratch.issue('manager');
const now = new Date();

/** All that is done with the files of a peer or of one's own. */
function use(cert: string, key: string, ca: string): void {
  const [own, ...others] = readCertificates({ file: 'cert', text: cert });
  const authorities = readCertificates({ file: 'ca', text: ca });
  roleOf(own);
  hostNames(own.subjectAltName);
  checkDates(own, 'cert', now);
  checkUsage(own, 'cert', 'server');
  checkRoots(authorities, 'ca', chainTo(own, others, authorities, { cert: 'cert', ca: 'ca' }).at(-1));
  checkKey(own, readPrivateKey({ file: 'key', text: key }), { cert: 'cert', key: 'key' }, others);
}

faultTest(
  {
    fault: 'certificates, keys and files of authorities, damaged in PEM and DER',
    promise: 'used, or refused with the file and what is wrong',
    sample: 300,
  },
  ({ cases, random }) => {
    const trial = new Trial((error) => TlsCertsError.is(error) && /^(cert|key|ca)\b/.test(error.message));
    const chain = leaf.certificate + authority.certificate;
    const bundle = authority.certificate + other.certificate;
    for (let left = cases; left > 0; left--) {
      const which = random.below(3);
      const cert = which === 0 ? mutatePem(random, chain) : leaf.certificate;
      const key = which === 1 ? mutatePem(random, leaf.key) : leaf.key;
      const ca = which === 2 ? mutatePem(random, bundle) : authority.certificate;
      trial.try([cert, key, ca], () => use(cert, key, ca));
    }
    return trial.measured;
  },
);

faultTest(
  {
    fault: 'PEM files of up to 1 MB of beginnings, ends, blanks',
    promise: 'refused in proportion to the size',
    sample: 50_000,
    unit: 'input',
    most: 1_000_000,
  },
  ({ cases: size }) => {
    const pieces = [
      '-----BEGIN A-----',
      '-----BEGIN CERTIFICATE-----\n',
      '-----END CERTIFICATE-----\n',
      '-',
      ' ',
      'A',
      '-----BEGIN ',
    ];
    for (const piece of pieces) {
      const make = (length: number) => `-----BEGIN CERTIFICATE-----\n${piece.repeat(length / piece.length)}`;
      const read = (text: string) => readCertificates({ file: 'cert', text });
      expect(growsInProportion(size / 2, make, read), piece).toBe(true);
    }
    return `${pieces.length} kinds`;
  },
);
