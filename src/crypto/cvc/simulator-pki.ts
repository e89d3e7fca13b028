import { fromHex } from "../../bytes/hex.ts";
import { type Curve, curveByName } from "../curves/curves.ts";
import { ecdsaSign } from "../curves/ecdsa.ts";
import { type Cvc, ecdsaSha256Oid, parseCvc } from "./cvc.ts";
import { buildCvc } from "./cvc-build.ts";

/**
 * The PKI of simulated tokens. All of its private keys are public on purpose: a chain to this root says "made by the
 * simulator of hsmadm" and nothing else, and wherever such a token is shown it is called SIMULATED.
 *
 * Private keys are SHA-256 of the seeds `hsmadm SIMULATED root` and `hsmadm SIMULATED device issuer`; the signatures are
 * repeatable (RFC 6979). `test/crypto/simulator-pki.test.ts` makes every byte below again.
 */
export const simulatorRootName = "UTSIMULAT00001";
export const simulatorIssuerName = "UTSIMDICA00001";

export const simulatorPkiCurve = "brainpoolP256r1";

export const simulatorPkiDates = { effective: "2026-01-01", expiry: "2099-12-31" } as const;

export const simulatorRootPoint = fromHex(
  "0432AE73C48DDDBFA740A8F78E242DE6F21CE097D1FF7D34DF7AC224E8281AF5C85D64EAB0F69231F60643CC2CD03B6FA60647E1E87D32FC3D377DDC0EF50C2E5A",
);

/** The root certificate, signed by itself, with its domain parameters. */
export const simulatorRoot = fromHex(
  "7F218201B47F4E82016C5F290100420E555453494D554C415430303030317F4982011D060A04007F000702020202038120A9FB57DBA1EEA9BC3E660A909D838D726E3BF623D52620282013481D1F6E537782207D5A0975FC2C3057EEF67530417AFFE7FB8055C126DC5C6CE94A4B44F330B5D9832026DC5C6CE94A4B44F330B5D9BBD77CBF958416295CF7E1CE6BCCDC18FF8C07B68441048BD2AEB9CB7E57CB2C4B482FFC81B7AFB9DE27E1E3BD23C23A4453BD9ACE3262547EF835C3DAC4FD97F8461A14611DC9C27745132DED8E545C1D54C72F0469978520A9FB57DBA1EEA9BC3E660A909D838D718C397AA3B561A6F7901E0E82974856A786410432AE73C48DDDBFA740A8F78E242DE6F21CE097D1FF7D34DF7AC224E8281AF5C85D64EAB0F69231F60643CC2CD03B6FA60647E1E87D32FC3D377DDC0EF50C2E5A8701015F200E555453494D554C415430303030317F4C10060B2B0601040181C31F0301015301C05F25060206000100015F24060909010203015F3740180316C9280120947EF51494ED40B9906C8409EAE0B075FBBA6368DE2B28BA0E56FF3BA0100246F84435D986770FC0AA4B8AB4BD05F18DF44DF8A01B7607DA0F",
);

/** The device issuer's certificate (DICA): second object of a simulated token's EF 2F02. */
export const simulatorIssuer = fromHex(
  "7F2181E37F4E819C5F290100420E555453494D554C415430303030317F494F060A04007F000702020202038641048D56AF4A356308ACD950C1D9E7D40E21F37CA8C3F3DBF99E17827A8990D53D864041FCCEAEC7D4C61CC7C9F1A13CE631AB087D4C9D52AFAF69CF8ED0EC5F979C5F200E555453494D4449434130303030317F4C10060B2B0601040181C31F0301015301805F25060206000100015F24060909010203015F374074430BB4AC1E29C48C0AFF2FBF04EC245130F90C1D041C9022EB325AF5FC3FB44FB71254305A6C37332657476A1D89A8A501CED6FC25B71F9F5AE00E32F601E8",
);

/** Public on purpose, see above. */
export const simulatorIssuerPrivateKey = fromHex("41DB8299AFED2A647B833E4C25880E202528F4325569385E3C09EEF40737DE5F");

export interface SimulatedDevice {
  /** Serial number and five digits: `UTSIM0000100000`. 6 to 16 ASCII characters. */
  readonly chr: string;
  /** Device key on brainpoolP256r1, uncompressed. */
  readonly publicPoint: Uint8Array;
  /** Equal inputs give equal bytes. Slower; for recordings and tests. */
  readonly repeatable?: boolean;
}

/** A device certificate under {@link simulatorIssuer}, with inherited parameters, as on a genuine card. */
export function issueSimulatedDevice({ chr, publicPoint, repeatable = false }: SimulatedDevice): Cvc {
  const bytes = buildCvc(
    {
      car: simulatorIssuerName,
      chr,
      publicKey: { kind: "ec", oid: ecdsaSha256Oid, point: publicPoint, curve: undefined },
      role: 0x00,
      ...simulatorPkiDates,
    },
    (body) => ecdsaSign(pkiCurve(), simulatorIssuerPrivateKey, body, "sha256", { repeatable }),
  );
  return parseCvc(bytes);
}

function pkiCurve(): Curve {
  return curveByName(simulatorPkiCurve) as Curve;
}
