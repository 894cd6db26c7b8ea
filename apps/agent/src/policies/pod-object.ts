import { Guard } from '@infra-offload/guard';
import type { ObjectSource, Pod } from '@infra-offload/k8s-watch';

interface PodOnNode {
  readonly namespace: string;
  readonly name: string;
  readonly nodeName: string;
}

/**
 * Waits until there is an object of a pod that is to start on this node, rather than none, or that of an earlier pod of the
 * same name.
 *
 * @returns why there is none after `timeoutMs`, for people; undefined if there is one.
 */
export async function awaitPodObject(
  pods: ObjectSource['pods'],
  { namespace, name, nodeName }: PodOnNode,
  timeoutMs: number,
): Promise<string | undefined> {
  const problem = () => problemOf(pods.get(namespace, name), { namespace, name, nodeName });
  if (problem() === undefined) return undefined;
  await new Promise<void>((resolve, reject) => {
    const done = new Guard(reject).handler(() => {
      clearTimeout(timer);
      unsubscribe();
      resolve();
    });
    const timer = setTimeout(done, timeoutMs);
    const unsubscribe = pods.subscribe(() => {
      if (problem() === undefined) done();
    });
  });
  return problem();
}

function problemOf(pod: Pod | undefined, { namespace, name, nodeName }: PodOnNode): string | undefined {
  const described = `pod ${namespace}/${name}`;
  if (pod === undefined) return `the Kubernetes API has not reported ${described}`;
  if (pod.nodeName !== nodeName) {
    const where = pod.nodeName === undefined ? 'on no node' : `on node ${pod.nodeName}`;
    return `according to the Kubernetes API, ${described} is ${where}, but this is node ${nodeName}`;
  }
  if (pod.finished) return `${described} has ended, according to the Kubernetes API`;
  if (pod.terminating) return `${described} is being deleted, according to the Kubernetes API`;
  return undefined;
}
