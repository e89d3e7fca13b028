/** What a token forgets when it loses power. */
export interface Session {
  /** Whether the applet is selected: nothing else answers before. */
  selected: boolean;
  userLogin: boolean;
  soLogin: boolean;
  currentFile: number | null;
  /** Rest of an answer, waiting for GET RESPONSE. */
  pendingAnswer: Uint8Array;
  /** Command data collected so far by command chaining, with the header they belong to. */
  chain: { readonly header: number; readonly data: Uint8Array } | null;
}

export function newSession(): Session {
  return {
    selected: false,
    userLogin: false,
    soLogin: false,
    currentFile: null,
    pendingAnswer: new Uint8Array(0),
    chain: null,
  };
}
