#!/usr/bin/env node
import { launchAgePlugin } from "../src/cli/launch.ts";

await launchAgePlugin(process.argv.slice(2));
