import type { Documentation, Expression, StructuredAnnotation } from '../proto.js';
import type { P4Annotated, P4Annotation, P4AnnotationValue, P4Reference } from './objects.js';

/** A message of P4Info that is annotated. */
export interface AnnotatedMessage {
  readonly annotations: readonly string[];
  readonly structuredAnnotations: readonly StructuredAnnotation[];
  readonly doc?: Documentation | undefined;
}

export function annotationsOf({ annotations, structuredAnnotations, doc }: AnnotatedMessage): P4Annotated {
  return {
    annotations,
    structuredAnnotations: structuredAnnotations.map(annotationOf),
    brief: doc?.brief ?? '',
    description: doc?.description ?? '',
  };
}

function annotationOf({ name, body }: StructuredAnnotation): P4Annotation {
  const values = body?.$case === 'expressionList' ? body.value.expressions.map(annotationValue) : [];
  const pairs = body?.$case === 'kvPairList' ? body.value.kvPairs : [];
  return { name, values, pairs: new Map(pairs.map(({ key, value }) => [key, annotationValue(value)])) };
}

/** An expression without a value is an empty string, as protobuf has it. */
function annotationValue(expression: Expression | undefined): P4AnnotationValue {
  return expression?.value?.value ?? '';
}

const REFERS_TO = /^@refers_to\(([^,()]+),([^,()]+)\)$/;

/** What `@refers_to(table, field)` names. p4c puts spaces between all tokens. */
export function referencesOf(annotations: readonly string[]): readonly P4Reference[] {
  return annotations.flatMap((annotation) => {
    const [, table, field] = REFERS_TO.exec(annotation.replace(/[\s"]/g, '')) ?? [];
    return table === undefined || field === undefined ? [] : [{ table, field }];
  });
}
