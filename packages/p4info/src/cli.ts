#!/usr/bin/env node
import { runCodegen } from './codegen-cli.js';

process.exitCode = await runCodegen(process.argv.slice(2), process);
