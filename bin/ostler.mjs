#!/usr/bin/env node
// The one executable: `worker` is the worker's program, all else the master's; by the name of an operator's tool, such as
// ostler-list-images, it is that tool. The bundle starts in half the time; whoever compiled since it was made runs what was compiled.
import {readdirSync, realpathSync, statSync} from 'node:fs'
import {basename, dirname, join} from 'node:path'
import {fileURLToPath, pathToFileURL} from 'node:url'

// npm links to this file from node_modules/.bin; what it belongs to lies beside its real place.
const root = dirname(dirname(realpathSync(fileURLToPath(import.meta.url))))
const argv = process.argv.slice(2)
const called = basename(process.argv[1])
const isTool = called.startsWith('ostler-')
const isWorker = !isTool && argv[0] === 'worker'
const entries = isTool
  ? {bundled: 'bundle/tools/main.js', compiled: 'scripts/tools/main.js'}
  : isWorker
    ? {bundled: 'bundle/worker/main.js', compiled: 'worker/main.js'}
    : {bundled: 'bundle/master/ostler.js', compiled: 'master/cli/ostler.js'}
let program
try {
  const entry = isBundleCurrent() ? entries.bundled : entries.compiled
  program = await import(pathToFileURL(join(root, 'dist', entry)).href)
} catch (error) {
  if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error
  console.error(`ostler: not built (${error.message}); run npm run build in ${root}`)
  process.exit(2)
}
const code = await program.main(isTool ? [called, ...argv] : isWorker ? argv.slice(1) : argv)
// A worker that was told to stop still follows its builds, which go on without it: its process must not wait for them.
if (isWorker) process.exit(code)
process.exitCode = code

function isBundleCurrent() {
  const changed = (...place) => statSync(join(root, 'dist', ...place), {throwIfNoEntry: false})?.mtimeMs ?? 0
  const bundled = changed(entries.bundled)
  const compiled = changed('.tsbuild') === 0 ? [] : readdirSync(join(root, 'dist', '.tsbuild'))
  const made = isTool
    ? /^(config|master|worker|scripts).*\.tsbuildinfo$/
    : /^(config|master|worker).*\.tsbuildinfo$/
  const parts = compiled.filter((name) => made.test(name))
  return bundled > 0 && parts.every((name) => changed('.tsbuild', name) <= bundled)
}
