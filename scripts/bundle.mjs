// Bundles the compiled master and worker with their packages into dist/bundle: one file that is read instead of two thousand
// lets a master start in half the time. Plain Node; `bin/ostler.mjs` runs the bundle while it is not older than what it is made of.
import {readFileSync, rmSync} from 'node:fs'
import {createRequire} from 'node:module'
import {basename, dirname, join, relative} from 'node:path'
import {pathToFileURL} from 'node:url'
import {root} from './place.mjs'

const programs = {master: 'master/cli/ostler.js', worker: 'worker/main.js', tools: 'scripts/tools/main.js'}
/** Loaded when they are needed, if ever; they bring files of their own. */
const apart = ['@electric-sql/pglite', 'esbuild']
/** What CommonJS packages expect to find. */
const banner = [
  "import {createRequire as requireFrom} from 'node:module'",
  'const require = requireFrom(import.meta.url), {dirname: __dirname, filename: __filename} = import.meta',
].join('\n')

/** A CommonJS package that is imported when it is needed keeps its names, which a part of a bundle would lose. */
const named = {
  name: 'named',
  setup(build) {
    build.onResolve({filter: /^[^./]/, namespace: 'file'}, async ({path, kind, importer, resolveDir}) => {
      if (kind !== 'dynamic-import') return null
      const found = await build.resolve(path, {
        kind: 'require-call',
        importer,
        resolveDir,
        pluginData: 'asked',
      })
      const isCommon = found.errors.length === 0 && !found.external && !isModule(found.path)
      return isCommon ? {path: relative(root, found.path), namespace: 'named'} : null
    })
    // Its path is told below the root: what is made must not tell where it was made.
    build.onLoad({filter: /.*/, namespace: 'named'}, async ({path: below}) => {
      const path = join(root, below)
      const {default: _all, ...names} = await import(pathToFileURL(path).href)
      const list = Object.keys(names).filter(
        (name) => name !== '__esModule' && /^[A-Za-z_$][\w$]*$/.test(name),
      )
      return {
        contents: `const all = require('./${basename(path)}')\nexport default all\nexport const {${list.join(', ')}} = all`,
        resolveDir: dirname(path),
      }
    })
  },
}

const isModule = (path) => /^(import|export)\b/m.test(readFileSync(path, 'utf8'))

/** What a package can do without, since it is not installed or is machine code, stays a `require` that fails when it is reached. */
const optional = {
  name: 'optional',
  setup(build) {
    build.onResolve({filter: /\.node$/}, ({path}) => ({path, external: true}))
    build.onResolve({filter: /^[^./]/}, async ({path, pluginData, kind, importer, resolveDir}) => {
      if (pluginData === 'asked' || kind === 'entry-point') return null
      const found = await build.resolve(path, {kind, importer, resolveDir, pluginData: 'asked'})
      return found.errors.length > 0 ? {path, external: true} : found
    })
  },
}

/** Makes the bundles. Rejects with what is wrong. */
export async function bundle() {
  // Only now: before the packages are installed there is none.
  const {build} = createRequire(join(root, 'package.json'))('esbuild')
  const outdir = join(root, 'dist', 'bundle')
  rmSync(outdir, {recursive: true, force: true})
  for (const [name, entry] of Object.entries(programs))
    await build({
      entryPoints: [join(root, 'dist', entry)],
      outdir: join(outdir, name),
      bundle: true,
      splitting: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      sourcemap: 'linked',
      external: apart,
      plugins: [named, optional],
      banner: {js: banner},
      logLevel: 'error',
    })
  // The charms' hook goes into charms, not into packages: one file, which scripts/pack-charm.mjs takes.
  await build({
    entryPoints: [join(root, 'dist', 'charms', 'hook.js')],
    outfile: join(root, 'dist', 'packed', 'hook.mjs'),
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'error',
  })
}

if (process.argv[1] === import.meta.filename) await bundle()
