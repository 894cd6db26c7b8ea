import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '@infra-offload/base';
import { P4Program } from '@infra-offload/p4info';
import { encodeDeviceConfig } from '@infra-offload/p4rt';
import { ServiceError } from '@infra-offload/service';
import * as z from 'zod';

/** A P4 program, and what makes a device run it. */
export interface PipelinePackage {
  readonly program: P4Program;
  readonly deviceConfig: Uint8Array;
}

const P4INFO = /(?:^|[._-])p4info\.(?:txt|txtpb|pb\.txt|pb\.bin|bin)$|^p4info$/i;
const DEVICE_CONFIG = /\.pb\.bin$/i;
const SCHEMA = /^(?:tdi|bf-rt|bfrt)\.json$/i;
const CONTEXT = /^context\.json$/i;
const BINARY = /\.(?:pkg|bin|spec)$/i;
const PROGRAM_NAME = 'k8s_dp';
/** What p4c-dpdk calls the only pipeline, and Intel's compiler the one of the chip. */
const PROFILE_NAMES = { spec: 'pipe', other: 'main' } as const;

const context = z.object({ program_name: z.string().min(1).optional() });

/**
 * Reads a pipeline package from a folder: a P4Info (`p4Info.txt`, `.txtpb` or binary), and either a device config that
 * `tdi_pipeline_builder` has made (`*.pb.bin`), or its parts: `tdi.json` or `bf-rt.json`, `context.json`, and the package's own
 * binary. IPDK's folder is `/share/infra/k8s_dp` with `p4Info.txt` and `k8s_dp.pb.bin`.
 *
 * @throws ServiceError CONFIG that names the folder and the file that is missing, there twice, or unreadable.
 */
export function readPackage(directory: string): PipelinePackage {
  const files = list(directory);
  const p4info = one(directory, files, P4INFO, 'a P4Info (p4Info.txt, *.p4info.txtpb or *.p4info.pb.bin)');
  const program = parse(directory, p4info);
  const rest = files.filter((file) => file !== p4info);
  const made = rest.filter((file) => DEVICE_CONFIG.test(file));
  if (made.length > 0) {
    const deviceConfig = one(directory, made, DEVICE_CONFIG, 'a device config (*.pb.bin)');
    return { program, deviceConfig: read(directory, deviceConfig) };
  }
  const schema = one(directory, rest, SCHEMA, 'tdi.json or bf-rt.json, or a device config (*.pb.bin)');
  const contextFile = one(directory, rest, CONTEXT, 'context.json');
  const binary = one(directory, rest, BINARY, 'the binary of the package (*.pkg, *.bin or *.spec)');
  const contextBytes = read(directory, contextFile);
  return {
    program,
    deviceConfig: encodeDeviceConfig({
      name: programName(directory, contextFile, contextBytes),
      bfrtInfo: read(directory, schema),
      profiles: [
        {
          name: binary.endsWith('.spec') ? PROFILE_NAMES.spec : PROFILE_NAMES.other,
          context: contextBytes,
          binary: read(directory, binary),
        },
      ],
    }),
  };
}

function list(directory: string): readonly string[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => !entry.isDirectory())
      .map((entry) => entry.name)
      .sort();
  } catch (error) {
    throw unusable(directory, messageOf(error), error);
  }
}

function one(directory: string, files: readonly string[], pattern: RegExp, what: string): string {
  const [found, ...more] = files.filter((file) => pattern.test(file));
  if (found === undefined)
    throw unusable(
      directory,
      `it lacks ${what}; it has ${files.length === 0 ? 'no files' : files.join(', ')}`,
    );
  if (more.length > 0)
    throw unusable(directory, `${[found, ...more].join(' and ')} are each ${what}: keep one`);
  return found;
}

function parse(directory: string, file: string): P4Program {
  const bytes = read(directory, file);
  try {
    return P4Program.parse(/\.bin$/i.test(file) ? bytes : Buffer.from(bytes).toString('utf8'));
  } catch (error) {
    throw unusable(directory, `${file}: ${messageOf(error)}`, error);
  }
}

function programName(directory: string, file: string, bytes: Uint8Array): string {
  try {
    return context.parse(JSON.parse(Buffer.from(bytes).toString('utf8'))).program_name ?? PROGRAM_NAME;
  } catch (error) {
    const reason = error instanceof z.ZodError ? 'it is not a context.json written by p4c' : messageOf(error);
    throw unusable(directory, `${file}: ${reason}`, error);
  }
}

function read(directory: string, file: string): Uint8Array {
  try {
    return readFileSync(join(directory, file));
  } catch (error) {
    throw unusable(directory, messageOf(error), error);
  }
}

function unusable(directory: string, problem: string, cause?: unknown): ServiceError {
  return new ServiceError('CONFIG', `pipeline.directory ${directory}: ${problem}`, {
    cause,
  });
}
