import { createHash } from 'node:crypto';
import type { P4Program } from '@infra-offload/p4info';
import { P4Info } from '@infra-offload/p4info/proto';
import { type P4RuntimeSession, P4rtError } from '@infra-offload/p4rt';
import type { Logger } from '../log.js';

/** A P4 program and what makes a device run it. */
export interface Pipeline {
  readonly program: P4Program;
  readonly deviceConfig: Uint8Array;
}

type PipelineSession = Pick<P4RuntimeSession, 'getPipeline' | 'setPipeline' | 'reconcilePipeline'>;

/** What was done about a device's pipeline; `kept` when it runs ours already. */
export type PipelineResult = 'kept' | 'VERIFY_AND_COMMIT' | 'RECONCILE_AND_COMMIT';

/** The cookie of a pipeline: 63 bits of a hash over P4Info and device config, never 0. */
export function pipelineCookie({ program, deviceConfig }: Pipeline): bigint {
  const hash = createHash('sha256')
    .update(P4Info.encode(program.p4info).finish())
    .update(deviceConfig)
    .digest();
  return (hash.readBigUInt64BE(0) >> 1n) | 1n;
}

/**
 * Makes the device run our pipeline. One that does is left alone, with all its flows; one that runs the same program
 * from another build keeps what fits; any other is replaced.
 *
 * @throws P4rtError when the device cannot be asked, or refuses the pipeline.
 */
export async function ensurePipeline(
  session: PipelineSession,
  pipeline: Pipeline,
  logger: Logger,
): Promise<PipelineResult> {
  const cookie = pipelineCookie(pipeline);
  const current = await currentPipeline(session);
  if (current?.cookie === cookie) return 'kept';
  const { program, deviceConfig } = pipeline;
  const same = current?.p4info !== undefined && sameProgram(current.p4info, program.p4info);
  if (!same) {
    const was = current === undefined ? 'none' : (current.p4info?.pkgInfo?.name ?? 'another program');
    logger.info({ was, cookie: cookie.toString(16) }, 'committing the pipeline');
    await session.setPipeline(program, deviceConfig, { action: 'VERIFY_AND_COMMIT', cookie });
    return 'VERIFY_AND_COMMIT';
  }
  logger.info(
    { cookie: cookie.toString(16) },
    'the target runs another build of our program: reconciling the pipeline',
  );
  const done = await session.reconcilePipeline(program, deviceConfig, { cookie });
  if (done === 'VERIFY_AND_COMMIT') {
    logger.warn(
      'the target does not implement RECONCILE_AND_COMMIT: committed the pipeline again, without its entries',
    );
  }
  return done;
}

/** Whether a device runs our pipeline, by its cookie. @throws P4rtError when it cannot be asked. */
export async function runsPipeline(session: PipelineSession, pipeline: Pipeline): Promise<boolean> {
  return (await currentPipeline(session))?.cookie === pipelineCookie(pipeline);
}

async function currentPipeline(session: PipelineSession) {
  try {
    return await session.getPipeline('P4INFO_AND_COOKIE');
  } catch (error) {
    // How many targets say that they have none.
    if (P4rtError.is(error, 'FAILED_PRECONDITION', 'NOT_FOUND')) return undefined;
    throw error;
  }
}

function sameProgram(a: P4Info, b: P4Info): boolean {
  return Buffer.from(P4Info.encode(a).finish()).equals(P4Info.encode(b).finish());
}
