import type { RbacV1Subject, V1PolicyRule, V1RoleRef } from '@kubernetes/client-node';
import type { Manifest } from './manifests.js';

interface Binding extends Manifest {
  readonly roleRef: V1RoleRef;
  readonly subjects: readonly RbacV1Subject[];
}

/**
 * What an account may ask of the API server, as sorted words: `list pods`, `get configmaps/kubeadm-config in kube-system`.
 * What two rules allow is there twice.
 */
export function apiRightsOf(manifests: readonly Manifest[], account: string): string[] {
  const bindings = manifests.filter((manifest): manifest is Binding => manifest.kind.endsWith('RoleBinding'));
  return bindings
    .filter(({ subjects }) =>
      subjects.some(({ kind, name }) => kind === 'ServiceAccount' && name === account),
    )
    .flatMap(({ metadata, roleRef }) => {
      const role = manifests.find(
        (candidate) =>
          candidate.kind === roleRef.kind &&
          candidate.metadata.name === roleRef.name &&
          (roleRef.kind === 'ClusterRole' || candidate.metadata.namespace === metadata.namespace),
      );
      const where = metadata.namespace === undefined ? '' : ` in ${metadata.namespace}`;
      return ((role?.rules ?? []) as V1PolicyRule[]).flatMap((rule) => wordsOf(rule, where));
    })
    .sort();
}

function wordsOf(rule: V1PolicyRule, where: string): string[] {
  const { verbs, apiGroups = [], resources = [], resourceNames, nonResourceURLs = [] } = rule;
  const groups = apiGroups.map((group) => (group === '' ? '' : `.${group}`));
  const things = resources.flatMap((resource) =>
    groups.flatMap((group) =>
      (resourceNames ?? [undefined]).map(
        (name) => `${resource}${group}${name === undefined ? '' : `/${name}`}`,
      ),
    ),
  );
  return [...things, ...nonResourceURLs].flatMap((thing) => verbs.map((verb) => `${verb} ${thing}${where}`));
}
