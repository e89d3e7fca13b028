import { type KeyLogin, newKeyLogin } from "./public-key-login.ts";

/** What a token forgets when it loses power. */
export interface Session {
  /** Whether the applet is selected: nothing else answers before. */
  selected: boolean;
  userLogin: boolean;
  soLogin: boolean;
  /** A PIN was right since SELECT, whether or not that is a login: where keys log in, it is none. */
  pinVerified: boolean;
  keyLogin: KeyLogin;
  /** Chip authentication was announced (MSE 41 A4). */
  chipAuthentication: boolean;
  currentFile: number | null;
  /** Rest of an answer, waiting for GET RESPONSE. */
  pendingAnswer: Uint8Array;
  /** Command data collected so far by command chaining, with the header they belong to. */
  chain: { readonly header: number; readonly data: Uint8Array } | null;
}

/** Nobody is logged in, and no proof of anybody counts any more. */
export function forgetLogins(session: Session): void {
  Object.assign(session, {
    userLogin: false,
    soLogin: false,
    pinVerified: false,
    keyLogin: newKeyLogin(),
    chipAuthentication: false,
  });
}

export function newSession(): Session {
  return {
    selected: false,
    userLogin: false,
    soLogin: false,
    pinVerified: false,
    keyLogin: newKeyLogin(),
    chipAuthentication: false,
    currentFile: null,
    pendingAnswer: new Uint8Array(0),
    chain: null,
  };
}
