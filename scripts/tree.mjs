// Lays out in debian/tree what the Debian packages install under /usr/lib/ostler, so that they are built from it without Node and
// network: the bundles, the web page, and the three packages that a bundle leaves apart, without what nobody loads. debian/*.install
// say where each goes; `built` becomes dist and `packages` node_modules, names that debian/source/options keeps out of the source.
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import {createRequire} from 'node:module'
import {dirname, join} from 'node:path'
import {licences} from './licences.mjs'
import {root} from './place.mjs'
import {whenReady} from './ready.mjs'

const tree = join(root, 'debian', 'tree')
const dist = join(root, 'dist')

/** Lays it out anew from what was built. */
export async function layTree(folder = tree) {
  rmSync(folder, {recursive: true, force: true})
  put(join(root, 'bin', 'ostler.mjs'), join(folder, 'bin', 'ostler.mjs'))
  write(join(folder, 'package.json'), manifest())
  for (const part of ['bundle', 'web', 'config/index.js']) put(join(dist, part), join(folder, 'built', part))
  put(join(dist, 'share'), join(folder, 'share'))
  await layProcesses(folder)
  layDatabase(folder)
  layCompiler(folder)
  writeFileSync(join(folder, 'LEGAL.txt'), licences([join(dist, 'bundle'), join(folder, 'built', 'master')]))
}

/** Only what the program asks of its package. */
function manifest() {
  const {name, version, license, type, engines} = json(join(root, 'package.json'))
  return {name, version, license, type, private: true, engines}
}

/** What the master starts as processes and threads of their own, each one file. */
async function layProcesses(folder) {
  const {build} = createRequire(join(root, 'package.json'))('esbuild')
  const world = 'master/world'
  for (const part of ['configuration/program.js', 'store/lite-init.js', 'store/lite-worker.js'])
    await build({
      entryPoints: [join(dist, world, part)],
      outfile: join(folder, 'built', world, part),
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      sourcemap: 'linked',
      external: ['esbuild', '@electric-sql/pglite'],
      logLevel: 'error',
    })
}

/** The embedded PostgreSQL: what Node loads, without extensions, type declarations and what is for browsers. */
function layDatabase(folder) {
  const from = join(root, 'node_modules', '@electric-sql', 'pglite')
  const to = join(folder, 'packages', '@electric-sql', 'pglite')
  const wanted = /^(index|initdb|pglite|chunk-\w+)\.js$|^(pglite|initdb)\.(wasm|data)$/
  for (const name of readdirSync(join(from, 'dist')).filter((name) => wanted.test(name)))
    put(join(from, 'dist', name), join(to, name))
  put(join(from, 'dist', 'fs', 'nodefs.js'), join(to, 'fs', 'nodefs.js'))
  const {name, version, license} = json(join(from, 'package.json'))
  write(join(to, 'package.json'), {name, version, license, type: 'module', exports: './index.js'})
}

/** What compiles a configuration in TypeScript: esbuild for any machine, under the name that is asked for. */
function layCompiler(folder) {
  const from = join(root, 'node_modules', 'esbuild-wasm')
  const to = join(folder, 'packages', 'esbuild')
  for (const part of ['bin/esbuild', 'esbuild.wasm', 'lib/main.js', 'wasm_exec.js', 'wasm_exec_node.js'])
    put(join(from, part), join(to, part))
  chmodSync(join(to, 'esbuild.wasm'), 0o644)
  const {version, license} = json(join(from, 'package.json'))
  write(join(to, 'package.json'), {name: 'esbuild', version, license, main: 'lib/main.js'})
}

const json = (file) => JSON.parse(readFileSync(file, 'utf8'))

function write(file, value) {
  mkdirSync(dirname(file), {recursive: true})
  writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`)
}

function put(from, to) {
  if (!existsSync(from)) throw new Error(`${from} is not there: npm run build`)
  cpSync(from, to, {recursive: true, dereference: true})
}

if (process.argv[1] === import.meta.filename)
  await whenReady(async () => {
    await layTree()
    return 0
  })
