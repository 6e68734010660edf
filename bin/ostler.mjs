#!/usr/bin/env node
// The one executable: `worker` is the worker's program, all else the master's.
import {realpathSync} from 'node:fs'
import {dirname, join} from 'node:path'
import {fileURLToPath, pathToFileURL} from 'node:url'

// npm links to this file from node_modules/.bin; what it belongs to lies beside its real place.
const root = dirname(dirname(realpathSync(fileURLToPath(import.meta.url))))
const argv = process.argv.slice(2)
const [entry, rest] =
  argv[0] === 'worker' ? ['worker/main.js', argv.slice(1)] : ['master/cli/ostler.js', argv]
let program
try {
  program = await import(pathToFileURL(join(root, 'dist', entry)).href)
} catch (error) {
  if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error
  console.error(`ostler: not built (${error.message}); run npm run build in ${root}`)
  process.exit(2)
}
const code = await program.main(rest)
// A worker that was told to stop still follows its builds, which go on without it: its process must not wait for them.
if (argv[0] === 'worker') process.exit(code)
process.exitCode = code
