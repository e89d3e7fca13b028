type Schema = Readonly<Record<string, unknown>>;

const known = [
  "$schema",
  "title",
  "description",
  "type",
  "properties",
  "required",
  "additionalProperties",
  "items",
  "enum",
  "const",
  "anyOf",
  "pattern",
];

/** Where a value breaks a schema; empty when it holds. Knows the words that docs/schema uses, and refuses others. */
export function violations(schema: Schema, value: unknown, path = "$"): string[] {
  const found: string[] = [];
  for (const word of Object.keys(schema))
    if (!known.includes(word)) found.push(`${path}: schema word ${word} is not known`);
  const types = schema["type"] === undefined ? [] : [schema["type"]].flat();
  if (types.length > 0 && !types.includes(typeOf(value)))
    found.push(`${path}: ${typeOf(value)} is not ${types.join(" or ")}`);
  if ("const" in schema && schema["const"] !== value) found.push(`${path}: is not ${JSON.stringify(schema["const"])}`);
  if (Array.isArray(schema["enum"]) && !schema["enum"].includes(value))
    found.push(`${path}: ${JSON.stringify(value)} is none of the values`);
  if (
    typeof schema["pattern"] === "string" &&
    typeof value === "string" &&
    !new RegExp(schema["pattern"]).test(value)
  ) {
    found.push(`${path}: ${JSON.stringify(value)} does not match`);
  }
  if (Array.isArray(schema["anyOf"])) {
    const each = (schema["anyOf"] as Schema[]).map((one) => violations(one, value, path));
    if (!each.some((problems) => problems.length === 0))
      found.push(`${path}: fits no alternative: ${each.flat().join("; ")}`);
  }
  if (Array.isArray(value) && schema["items"] !== undefined) {
    for (const [i, item] of value.entries())
      found.push(...violations(schema["items"] as Schema, item, `${path}[${i}]`));
  }
  if (typeOf(value) === "object") found.push(...objectViolations(schema, value as Record<string, unknown>, path));
  return found;
}

function objectViolations(schema: Schema, value: Record<string, unknown>, path: string): string[] {
  const properties = (schema["properties"] ?? {}) as Record<string, Schema>;
  const found = ((schema["required"] ?? []) as string[])
    .filter((name) => !(name in value))
    .map((name) => `${path}.${name} is missing`);
  for (const [name, inner] of Object.entries(value)) {
    const rule = properties[name];
    if (rule !== undefined) found.push(...violations(rule, inner, `${path}.${name}`));
    else if (schema["additionalProperties"] === false) found.push(`${path}.${name} is not in the schema`);
  }
  return found;
}

function typeOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  return Number.isInteger(value) ? "integer" : typeof value;
}
