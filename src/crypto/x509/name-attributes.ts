/** How the value of an attribute is encoded (RFC 5280 appendix A, RFC 4519). */
export type NameString = "utf8" | "printable" | "ia5";

export interface NameAttribute {
  /** As RFC 4514 section 3 writes it, or the usual short name. */
  readonly name: string;
  readonly oid: string;
  readonly string: NameString;
  /** The upper bound of RFC 5280 appendix A.1, in characters. */
  readonly longest: number;
  /** Further spellings that are understood. */
  readonly aliases?: readonly string[];
}

/** What a name may be made of; anything else is written as a dotted object identifier. */
export const nameAttributes: readonly NameAttribute[] = [
  { name: "CN", oid: "2.5.4.3", string: "utf8", longest: 64, aliases: ["commonName"] },
  { name: "L", oid: "2.5.4.7", string: "utf8", longest: 128, aliases: ["localityName"] },
  { name: "ST", oid: "2.5.4.8", string: "utf8", longest: 128, aliases: ["S", "stateOrProvinceName"] },
  { name: "O", oid: "2.5.4.10", string: "utf8", longest: 64, aliases: ["organizationName"] },
  { name: "OU", oid: "2.5.4.11", string: "utf8", longest: 64, aliases: ["organizationalUnitName"] },
  { name: "C", oid: "2.5.4.6", string: "printable", longest: 2, aliases: ["countryName"] },
  { name: "STREET", oid: "2.5.4.9", string: "utf8", longest: 128, aliases: ["streetAddress"] },
  { name: "DC", oid: "0.9.2342.19200300.100.1.25", string: "ia5", longest: 63, aliases: ["domainComponent"] },
  { name: "UID", oid: "0.9.2342.19200300.100.1.1", string: "utf8", longest: 256, aliases: ["userId"] },
  { name: "serialNumber", oid: "2.5.4.5", string: "printable", longest: 64 },
  { name: "SN", oid: "2.5.4.4", string: "utf8", longest: 64, aliases: ["surname"] },
  { name: "GN", oid: "2.5.4.42", string: "utf8", longest: 64, aliases: ["givenName"] },
  { name: "title", oid: "2.5.4.12", string: "utf8", longest: 64 },
  { name: "pseudonym", oid: "2.5.4.65", string: "utf8", longest: 128 },
  { name: "dnQualifier", oid: "2.5.4.46", string: "printable", longest: 64 },
  { name: "emailAddress", oid: "1.2.840.113549.1.9.1", string: "ia5", longest: 255, aliases: ["E", "email"] },
  { name: "organizationIdentifier", oid: "2.5.4.97", string: "utf8", longest: 128 },
];

/** Longest value of an attribute that is given by its object identifier. */
export const longestUnknown = 256;

export function attributeNamed(name: string): NameAttribute | undefined {
  const wanted = name.toLowerCase();
  return nameAttributes.find(({ name: known, aliases = [] }) =>
    [known, ...aliases].some((spelling) => spelling.toLowerCase() === wanted),
  );
}

export function attributeByOid(oid: string): NameAttribute | undefined {
  return nameAttributes.find((attribute) => attribute.oid === oid);
}
