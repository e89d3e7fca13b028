/** Something that a scoped function opens, kept open until it is given back. */
export interface Held<Thing> {
  readonly thing: Thing;
  /** Ends the scope, and tells what went wrong there. */
  readonly release: () => Promise<void>;
}

/** @param scope opens the thing, lets its argument work with it, and closes it */
export function hold<Thing>(scope: (work: (thing: Thing) => Promise<void>) => Promise<void>): Promise<Held<Thing>> {
  return new Promise((resolve, reject) => {
    let free = (): void => undefined;
    const freed = new Promise<void>((done) => {
      free = done;
    });
    const ended = scope(async (thing) => {
      resolve({
        thing,
        release: () => {
          free();
          return ended;
        },
      });
      await freed;
    });
    ended.catch(reject);
  });
}
