import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Layer, Settings } from './layer.js';

/** Reads the text of a flag or variable. @throws InvalidArgumentError */
export type Parser = (text: string) => unknown;

/** A setting that the command line and the environment may have. */
export interface SettingOption {
  /** Where it stands in the configuration: `tls.mode`. */
  readonly path: string;
  /** As commander has it: `--tls-mode <mode>`. */
  readonly flags: string;
  /** The variable that it comes from if there is no such flag. */
  readonly env?: string | undefined;
  readonly description: string;
  /** Default: the text as it is. */
  readonly parse?: Parser;
}

/** Of flags with several items: `a,b`. */
export const parseList: Parser = (text) => text.split(',').filter((item) => item !== '');

export const parseInteger: Parser = (text) => {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('It is not a whole number.');
  return Number(text);
};

/** Of flags that need no value: `--services` is `--services true`. */
export const parseBoolean: Parser = (text) => {
  if (/^(true|1)$/i.test(text)) return true;
  if (/^(false|0)$/i.test(text)) return false;
  throw new InvalidArgumentError('It is neither true nor false.');
};

/** Adds the flags of settings to a command. */
export function addSettings(command: Command, settings: readonly SettingOption[]): Command {
  for (const setting of settings) command.addOption(optionOf(setting));
  return command;
}

/** What the command line and the environment say, once the command has been parsed; flags win over variables. */
export function commandLayer(command: Command, settings: readonly SettingOption[]): Layer {
  const tree: Record<string, unknown> = {};
  const places = new Map<string, string>();
  for (const setting of settings) {
    const option = optionOf(setting);
    const name = option.attributeName();
    const value: unknown = command.getOptionValue(name);
    if (value === undefined) continue;
    put(tree, setting.path.split('.'), value);
    const isVariable = command.getOptionValueSource(name) === 'env';
    places.set(setting.path, (isVariable ? setting.env : option.long) ?? setting.flags);
  }
  return {
    settings: tree,
    placeOf: (path) => {
      // A message may be of a part of what the flag has, or of the group that it is in.
      const text = path.join('.');
      const own = [...places].find(
        ([at]) => text === at || text.startsWith(`${at}.`) || at.startsWith(`${text}.`),
      );
      return own?.[1] ?? 'flags and environment';
    },
  };
}

function optionOf({ flags, env, description, parse }: SettingOption): Option {
  const option = new Option(flags, description);
  if (env !== undefined) option.env(env);
  if (parse !== undefined) option.argParser(parse);
  return option.optional && parse !== undefined ? option.preset('true') : option;
}

function put(tree: Record<string, unknown>, [key = '', ...rest]: readonly string[], value: unknown): void {
  const below = tree[key];
  if (rest.length > 0) {
    const group = isTree(below) ? below : {};
    tree[key] = group;
    put(group, rest, value);
  } else tree[key] = isTree(below) && isTree(value) ? { ...value, ...below } : value;
}

function isTree(value: unknown): value is Record<string, unknown> & Settings {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
