import { contractOf } from "./support/loadable.ts";

await contractOf("pcsc-mini");
