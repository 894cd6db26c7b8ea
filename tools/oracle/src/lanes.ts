/** Has every job done in one of the lanes, as many at a time as there are lanes. */
export async function inLanes<Job>(
  lanes: number,
  jobs: Iterable<Job>,
  work: (lane: number, job: Job) => Promise<void>,
): Promise<void> {
  const iterator = jobs[Symbol.iterator]();
  const worker = async (lane: number) => {
    for (let next = iterator.next(); !next.done; next = iterator.next()) await work(lane, next.value);
  };
  await Promise.all(Array.from({ length: lanes }, (_, lane) => worker(lane)));
}
