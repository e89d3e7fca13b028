import { usage } from "./failure.ts";

/** The options and words of one command line, checked against the command table, not yet against their meaning. */
export class CommandArguments {
  readonly #values: Readonly<Record<string, unknown>>;
  /** What stands after `--`. */
  readonly rest: readonly string[];

  constructor(values: Readonly<Record<string, unknown>>, rest: readonly string[] = []) {
    this.#values = values;
    this.rest = rest;
  }

  text(name: string): string | undefined {
    const value = this.#values[name];
    if (value === undefined) return undefined;
    if (Array.isArray(value)) throw usage("OPTION_TWICE", `--${name} was given more than once`);
    return String(value);
  }

  /** For the few that may be given several times. */
  texts(name: string): readonly string[] {
    const value = this.#values[name];
    if (value === undefined) return [];
    return (Array.isArray(value) ? value : [value]).map(String);
  }

  required(name: string): string {
    const value = this.text(name);
    if (value === undefined) throw usage("OPTION_MISSING", `--${name} is missing`);
    return value;
  }

  flag(name: string): boolean {
    const value = this.#values[name];
    return Array.isArray(value) ? value.some(Boolean) : value === true;
  }

  integer(name: string, min: number, max: number): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max))
      throw usage("OPTION_VALUE", `--${name} wants a whole number from ${min} to ${max}`);
    return value;
  }

  seconds(name: string): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
    if (!(value > 0 && value <= 86_400))
      throw usage("OPTION_VALUE", `--${name} wants seconds, more than 0 and at most 86400`);
    return value;
  }
}
