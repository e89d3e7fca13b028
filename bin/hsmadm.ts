#!/usr/bin/env node
import { launch } from "../src/cli/launch.ts";

await launch(process.argv.slice(2));
