/** A field of a struct type. Widths are whole bytes, as SWX demands. */
export interface SpecField {
  readonly name: string;
  /** Width in bits; the greatest width for a `varbit` field. */
  readonly bits: number;
  readonly varbit: boolean;
  /** Bytes from the start of the struct. */
  readonly offset: number;
}

export interface SpecStruct {
  readonly name: string;
  readonly line: number;
  readonly fields: readonly SpecField[];
  /** Size in bytes, a varbit field counted at its greatest. */
  readonly bytes: number;
}

export interface SpecHeader {
  readonly name: string;
  readonly line: number;
  readonly struct: SpecStruct;
}

/** Where an instruction reads or writes. Values are unsigned. */
export type Operand = FieldOperand | ImmediateOperand;
export type FieldOperand = HeaderField | MetadataField | ArgumentField | MailboxField;
export interface HeaderField {
  readonly kind: 'header';
  readonly header: SpecHeader;
  readonly field: SpecField;
}
export interface MetadataField {
  readonly kind: 'metadata';
  readonly field: SpecField;
}
/** What checksum instructions add and take away; DPDK itself takes headers' fields only. */
export type ChecksumField = HeaderField | MetadataField;
/** A parameter of the action that the instruction belongs to. */
export interface ArgumentField {
  readonly kind: 'argument';
  readonly field: SpecField;
}
/** A field of an extern's mailbox; its layout lives in C code, so a spec alone does not tell its width. */
export interface MailboxField {
  readonly kind: 'mailbox';
  readonly text: string;
}
export interface ImmediateOperand {
  readonly kind: 'immediate';
  /** 0 … 2^64-1 */
  readonly value: bigint;
}

export type AluOperation = 'add' | 'sub' | 'and' | 'or' | 'xor' | 'shl' | 'shr';
export type Comparison = 'jmpeq' | 'jmpneq' | 'jmplt' | 'jmpgt' | 'jmple' | 'jmpge';
export type HashFunction = 'jhash' | 'crc32';

/** One instruction, its names resolved. Tables, actions and registers stay names: any order of declaration is fine. */
export type Instruction = {
  readonly line: number;
  /** The instruction as written, without its label, single-spaced. */
  readonly text: string;
  readonly label: string | undefined;
} & (
  | { readonly op: 'rx'; readonly port: MetadataField }
  | { readonly op: 'tx'; readonly port: MetadataField | ImmediateOperand }
  | { readonly op: 'drop' | 'recirculate' | 'return' | 'forget' }
  | { readonly op: 'mirror'; readonly slot: FieldOperand; readonly session: FieldOperand }
  | { readonly op: 'recircid' | 'entryid'; readonly target: MetadataField }
  | {
      readonly op: 'extract';
      readonly header: SpecHeader;
      readonly lastFieldBytes: MetadataField | undefined;
    }
  | { readonly op: 'lookahead' | 'emit' | 'validate' | 'invalidate'; readonly header: SpecHeader }
  | { readonly op: 'movh'; readonly target: FieldOperand; readonly source: Operand }
  | { readonly op: 'mov' | AluOperation; readonly target: FieldOperand; readonly source: Operand }
  | { readonly op: 'dma'; readonly header: SpecHeader; readonly source: ArgumentField }
  | { readonly op: 'ckadd'; readonly target: HeaderField; readonly source: ChecksumField | SpecHeader }
  | { readonly op: 'cksub'; readonly target: HeaderField; readonly source: ChecksumField }
  | {
      readonly op: 'hash';
      readonly function: HashFunction;
      readonly target: MetadataField;
      readonly first: FieldOperand;
      readonly last: FieldOperand;
    }
  | {
      readonly op: 'rss';
      readonly object: string;
      readonly target: MetadataField;
      readonly first: FieldOperand;
      readonly last: FieldOperand;
    }
  | { readonly op: 'table'; readonly table: string }
  | {
      readonly op: 'learn';
      readonly action: string;
      /** The metadata field of the first argument; the others follow it. */
      readonly firstArgument: MetadataField | undefined;
      /** The field of the timeout's index; index 0 without one. */
      readonly timeout: MetadataField | undefined;
    }
  | { readonly op: 'rearm'; readonly timeout: MetadataField | undefined }
  | { readonly op: 'extern'; readonly target: string }
  | { readonly op: 'regprefetch'; readonly array: string; readonly index: Operand }
  | { readonly op: 'regrd'; readonly array: string; readonly index: Operand; readonly target: FieldOperand }
  | {
      readonly op: 'regwr' | 'regadd';
      readonly array: string;
      readonly index: Operand;
      readonly source: Operand;
    }
  | { readonly op: 'metprefetch'; readonly array: string; readonly index: Operand }
  | {
      readonly op: 'meter';
      readonly array: string;
      readonly index: Operand;
      readonly length: Operand;
      readonly colorIn: Operand;
      readonly colorOut: FieldOperand;
    }
  | { readonly op: 'jmp' | 'jmph' | 'jmpnh'; readonly target: string }
  | { readonly op: 'jmpv' | 'jmpnv'; readonly target: string; readonly header: SpecHeader }
  | { readonly op: 'jmpa' | 'jmpna'; readonly target: string; readonly action: string }
  | { readonly op: Comparison; readonly target: string; readonly a: Operand; readonly b: Operand }
);

export interface SpecAction {
  readonly name: string;
  readonly line: number;
  /** The struct of the parameters, undefined for `args none`. */
  readonly args: SpecStruct | undefined;
  readonly instructions: readonly Instruction[];
}

export type MatchKind = 'exact' | 'wildcard' | 'lpm';

export interface SpecKeyField {
  readonly operand: HeaderField | MetadataField;
  /** As written: `h.ipv4.dst_addr`, `m.port`. */
  readonly text: string;
  readonly match: MatchKind;
}

export interface SpecActionRef {
  readonly name: string;
  /** Whether entries may use it (false for `@defaultonly`). */
  readonly forEntries: boolean;
  /** Whether it may be the default action (false for `@tableonly`). */
  readonly forDefault: boolean;
}

export interface SpecDefaultAction {
  readonly name: string;
  /** In the order of the action's parameters. */
  readonly args: readonly bigint[];
  readonly isConst: boolean;
}

export interface SpecTable {
  readonly name: string;
  readonly line: number;
  readonly key: readonly SpecKeyField[];
  readonly actions: readonly SpecActionRef[];
  readonly defaultAction: SpecDefaultAction;
  /** Greatest number of entries. */
  readonly size: number;
}

export interface SpecSelector {
  readonly name: string;
  readonly line: number;
  readonly groupId: MetadataField;
  readonly memberId: MetadataField;
  readonly fields: readonly SpecKeyField[];
  readonly groups: number;
  /** Slots of each group; member numbers must be smaller. */
  readonly slots: number;
}

/** A table whose entries come from packets, by `learn`. */
export interface SpecLearner extends SpecTable {
  /** Seconds, by timeout index. */
  readonly timeouts: readonly number[];
}

export interface SpecRegisterArray {
  readonly name: string;
  readonly line: number;
  readonly size: number;
  readonly initial: bigint;
}

export interface SpecMeterArray {
  readonly name: string;
  readonly line: number;
  readonly size: number;
}

export interface SpecExtern {
  readonly name: string;
  readonly line: number;
  readonly type: string;
  readonly pragma: string | undefined;
}

/** A parsed and checked SWX pipeline. Immutable; any number of pipelines may run from one. */
export interface SwxSpec {
  /** The name given to the parser, for messages. */
  readonly file: string;
  readonly structs: ReadonlyMap<string, SpecStruct>;
  readonly headers: ReadonlyMap<string, SpecHeader>;
  readonly metadata: SpecStruct;
  readonly actions: ReadonlyMap<string, SpecAction>;
  readonly tables: ReadonlyMap<string, SpecTable>;
  readonly selectors: ReadonlyMap<string, SpecSelector>;
  readonly learners: ReadonlyMap<string, SpecLearner>;
  readonly registers: ReadonlyMap<string, SpecRegisterArray>;
  readonly meters: ReadonlyMap<string, SpecMeterArray>;
  readonly externs: ReadonlyMap<string, SpecExtern>;
  readonly rss: readonly string[];
  readonly apply: readonly Instruction[];
}
