/** What `hsmadm doctor --json` prints, as far as these tests look. */
export interface DoctorDocument {
  readonly ok: boolean;
  readonly firstFailing: string | null;
  readonly rungs: readonly {
    readonly name: string;
    readonly ok: boolean;
    readonly facts: Readonly<Record<string, unknown>>;
    readonly notes: readonly string[];
    readonly fault?: string;
    readonly problem?: string;
    readonly fix?: readonly string[];
  }[];
  readonly error?: { readonly kind: string; readonly exitCode: number; readonly message: string };
}
