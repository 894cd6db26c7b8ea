import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { P4Info } from '@infra-offload/p4info/proto';
import { decodeDeviceConfig } from '@infra-offload/p4rt';
import { es2kDpArtifacts, es2kDpDeviceConfig, es2kDpP4Info } from '@infra-offload/p4src';
import { ServiceError } from '@infra-offload/service';
import { afterAll, describe, expect, it } from 'vitest';
import { readPackage } from './package.js';

const root = mkdtempSync(join(tmpdir(), 'es2k-package-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let folders = 0;
function folder(files: Readonly<Record<string, string | Uint8Array>>): string {
  const directory = join(root, String(folders++));
  mkdirSync(join(directory, 'logs'), { recursive: true });
  for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), content);
  return directory;
}

const { p4info, bfrt, context } = es2kDpArtifacts;
const binary = P4Info.encode(es2kDpP4Info().p4info).finish();

describe('a package from a folder', () => {
  it("IPDK's: a P4Info and a device config that is made already", () => {
    const { program, deviceConfig } = readPackage(
      folder({ 'p4Info.txt': p4info, 'k8s_dp.pb.bin': es2kDpDeviceConfig() }),
    );
    expect(program.findTable('tx_balance')).toBeDefined();
    expect(Buffer.from(deviceConfig).equals(es2kDpDeviceConfig())).toBe(true);
  });

  it("its parts, in infrap4d's format", () => {
    const parts = { 'tdi.json': bfrt, 'context.json': context, 'k8s_dp.pkg': 'chip' };
    const { deviceConfig } = readPackage(folder({ 'k8s_dp.p4info.pb.bin': binary, ...parts }));
    const { name, bfrtInfo, profiles } = decodeDeviceConfig(deviceConfig);
    expect([name, Buffer.from(bfrtInfo).toString() === bfrt]).toEqual(['k8s_dp', true]);
    expect(profiles.map((profile) => [profile.name, Buffer.from(profile.binary).toString()])).toEqual([
      ['main', 'chip'],
    ]);
  });

  it.each<[string, Readonly<Record<string, string>>, RegExp]>([
    ['is empty', {}, /lacks a P4Info .*; it has no files/],
    [
      'has two P4Infos',
      { 'p4Info.txt': p4info, 'b.p4info.txtpb': p4info },
      /b\.p4info\.txtpb and p4Info\.txt are each a P4Info/,
    ],
    ['has a P4Info that is none', { 'p4Info.txt': 'tables {' }, /p4Info\.txt: /],
    [
      'has no schema',
      { 'p4Info.txt': p4info, 'context.json': context, 'a.pkg': '' },
      /lacks tdi\.json or bf-rt\.json/,
    ],
    [
      'has a context that is no JSON',
      { 'p4Info.txt': p4info, 'tdi.json': bfrt, 'context.json': '{', 'a.pkg': '' },
      /context\.json: /,
    ],
    [
      'has a context of something else',
      { 'p4Info.txt': p4info, 'tdi.json': bfrt, 'context.json': '[]', 'a.pkg': '' },
      /context\.json: it is not a context\.json written by p4c/,
    ],
  ])('is refused when it %s', (_, files, message) => {
    const directory = folder(files);
    const read = () => readPackage(directory);
    expect(read).toThrow(ServiceError);
    expect(read).toThrow(message);
    expect(read).toThrow(`pipeline.directory ${directory}: `);
  });

  it('is refused when it is not there', () => {
    expect(() => readPackage(join(root, 'nowhere'))).toThrow(/ENOENT/);
  });
});
