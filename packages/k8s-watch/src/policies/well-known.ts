/** The API server gives it to every namespace, with the namespace's name as its value. */
export const NAMESPACE_NAME_LABEL = 'kubernetes.io/metadata.name';
